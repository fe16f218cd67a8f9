#pragma once

// Every policy of the library, as type lists. The catalogue, the compatibility matrix, the tests of
// all policies and the command lines of the examples walk these lists.

#include <diffx/analysis/anomaly.hpp>
#include <diffx/analysis/reconstruction.hpp>
#include <diffx/cache/every_n.hpp>
#include <diffx/cache/kv.hpp>
#include <diffx/cache/none.hpp>
#include <diffx/cache/taylor.hpp>
#include <diffx/cache/unchanged.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/domain/graph/degree_guided.hpp>
#include <diffx/domain/graph/edge_removal.hpp>
#include <diffx/domain/relational/block_structure.hpp>
#include <diffx/domain/relational/group_sizes.hpp>
#include <diffx/domain/relational/joint_sweep.hpp>
#include <diffx/domain/structure/factor_graph.hpp>
#include <diffx/domain/structure/variables.hpp>
#include <diffx/domain/table/fixed_binary.hpp>
#include <diffx/domain/table/min_max.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/domain/table/ordinal.hpp>
#include <diffx/domain/table/quantile_normal.hpp>
#include <diffx/domain/table/round_to_observed.hpp>
#include <diffx/domain/table/standard.hpp>
#include <diffx/domain/table/table_codec.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/cfg_pp.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/flow.hpp>
#include <diffx/prediction/normalised.hpp>
#include <diffx/prediction/score.hpp>
#include <diffx/prediction/trig_flow.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/discretised_gaussian.hpp>
#include <diffx/process/edit.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/mask_and_replace.hpp>
#include <diffx/process/rate_matrix.hpp>
#include <diffx/process/rectified_flow.hpp>
#include <diffx/process/sphere_bridge.hpp>
#include <diffx/process/stochastic_interpolant.hpp>
#include <diffx/process/sub_vp.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/ve.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/schedule/bounded_mask_power.hpp>
#include <diffx/schedule/class_alpha_bar.hpp>
#include <diffx/schedule/geometric_noise.hpp>
#include <diffx/schedule/linear_noise.hpp>
#include <diffx/schedule/log_linear.hpp>
#include <diffx/schedule/mask_cosine.hpp>
#include <diffx/schedule/mask_cosine_squared.hpp>
#include <diffx/schedule/mask_log.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/schedule/mask_sine.hpp>
#include <diffx/schedule/polynomial.hpp>
#include <diffx/schedule/scaled_mask_cosine.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/search/edit_beam.hpp>
#include <diffx/search/group_select.hpp>
#include <diffx/search/none.hpp>
#include <diffx/search/zero_order.hpp>
#include <diffx/solver/adaptive_rk.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/churn.hpp>
#include <diffx/solver/class_churn.hpp>
#include <diffx/solver/consistency.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/ddim_inverse.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/decode.hpp>
#include <diffx/solver/defog.hpp>
#include <diffx/solver/deis.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>
#include <diffx/solver/dpm_adaptive.hpp>
#include <diffx/solver/dpm_solver_blocks.hpp>
#include <diffx/solver/dpm_solver_multistep.hpp>
#include <diffx/solver/dpm_solver_singlestep.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/dpmpp_2s_ancestral.hpp>
#include <diffx/solver/dpmpp_3m.hpp>
#include <diffx/solver/dpmpp_3m_sde.hpp>
#include <diffx/solver/dpmpp_sde.hpp>
#include <diffx/solver/er_sde.hpp>
#include <diffx/solver/euler.hpp>
#include <diffx/solver/euler_ancestral.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/euler_maruyama.hpp>
#include <diffx/solver/flow_ancestral.hpp>
#include <diffx/solver/flow_lcm.hpp>
#include <diffx/solver/flow_map.hpp>
#include <diffx/solver/geodesic_bridge.hpp>
#include <diffx/solver/geodesic_random_walk.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/ipndm.hpp>
#include <diffx/solver/kdpm2.hpp>
#include <diffx/solver/kdpm2_ancestral.hpp>
#include <diffx/solver/langevin_corrector.hpp>
#include <diffx/solver/lcm.hpp>
#include <diffx/solver/lms.hpp>
#include <diffx/solver/pndm.hpp>
#include <diffx/solver/predictor_corrector.hpp>
#include <diffx/solver/remdm.hpp>
#include <diffx/solver/restart.hpp>
#include <diffx/solver/reverse_diffusion.hpp>
#include <diffx/solver/runge_kutta.hpp>
#include <diffx/solver/s4.hpp>
#include <diffx/solver/sa_solver.hpp>
#include <diffx/solver/scm.hpp>
#include <diffx/solver/stem.hpp>
#include <diffx/solver/stochastic_flow.hpp>
#include <diffx/solver/tag_generate.hpp>
#include <diffx/solver/tau_leaping.hpp>
#include <diffx/solver/tcd.hpp>
#include <diffx/solver/trunk.hpp>
#include <diffx/solver/tweedie.hpp>
#include <diffx/solver/unipc.hpp>
#include <diffx/solver/xor_renoise.hpp>

namespace diffx {

template <class... Ts>
struct type_list {
  static constexpr int size = sizeof...(Ts);
};

/// Calls f.template operator()<T>() for every type of the list.
template <class... Ts, class F>
constexpr void for_each_type(type_list<Ts...>, F&& f) {
  (f.template operator()<Ts>(), ...);
}

namespace registry {

using processes = type_list<process::vp<>, process::vp_discrete, process::sub_vp<>, process::ve,
                            process::edm, process::rectified_flow,
                            process::stochastic_interpolant<process::trigonometric_path>>;

using predictions =
    type_list<prediction::eps, prediction::x0, prediction::v, prediction::score, prediction::flow,
              prediction::edm, prediction::trig_flow, prediction::normalised<prediction::eps>>;

/// Solvers that take noise to data. Templates stand with their usual order.
using solvers =
    type_list<solver::ddim, solver::ddpm, solver::ddpm_large, solver::euler,
              solver::euler_ancestral, solver::heun, solver::midpoint, solver::rk4, solver::kdpm2,
              solver::kdpm2_ancestral, solver::dpm_solver_2s, solver::dpm_solver_3s,
              solver::dpmpp_2s, solver::dpmpp_3s, solver::res_2s, solver::dpm_solver_2m,
              solver::dpm_solver_3m, solver::dpmpp_2m, solver::dpmpp_3m, solver::dpmpp_2m_sde,
              solver::dpmpp_3m_sde, solver::dpmpp_sde, solver::dpmpp_2s_ancestral, solver::deis<3>,
              solver::unipc<3>, solver::sa_solver<3, 4>, solver::er_sde<3>, solver::pndm<>,
              solver::ipndm<4>, solver::lms<4>>;

/// Solvers that need a network, path or grid of their own kind: distilled networks, flow maps, the
/// straight path, a learned variance, data to noise; and those that choose their steps themselves.
using special_solvers =
    type_list<solver::restart, solver::churn<>, solver::adaptive_dopri54, solver::dpm_adaptive<3>,
              solver::dpm_solver_blocks<frame::x0, 2>, solver::ddpm_learned, solver::ddim_inverse,
              solver::flow_ancestral, solver::stochastic_flow<>, solver::euler_maruyama,
              solver::reverse_diffusion, solver::langevin_corrector<>, solver::s4,
              solver::trunk<solver::ddpm>, solver::stem<solver::ddpm>, solver::consistency,
              solver::lcm, solver::tcd, solver::scm, solver::flow_lcm, solver::flow_map>;

/// The same for blocks of classes.
using class_processes = type_list<process::absorbing<>, process::uniform<>, process::marginal<>,
                                  process::xor_bernoulli>;
using matrix_processes =
    type_list<process::discretised_gaussian, process::mask_and_replace, process::rate_matrix<>>;
using column_processes = type_list<process::columns<process::uniform<>>>;
/// The same for packed bits; solvers of classes that take bits take them.
using bit_processes = type_list<process::xor_packed>;
using class_schedules =
    type_list<schedule::class_alpha_bar, schedule::log_linear, schedule::mask_cosine,
              schedule::scaled_mask_cosine, schedule::mask_cosine_squared, schedule::mask_sine,
              schedule::mask_power, schedule::bounded_mask_power, schedule::mask_log,
              schedule::polynomial, schedule::linear_noise, schedule::geometric_noise>;
using class_predictions =
    type_list<prediction::x0_posterior<>, prediction::x0_cavity<>, prediction::concrete_score<>>;
using class_solvers =
    type_list<solver::ancestral, solver::tweedie, solver::euler_ctmc, solver::tau_leaping,
              solver::remdm<>, solver::discrete_flow_matching, solver::defog, solver::xor_renoise,
              solver::predictor_corrector<solver::ancestral>, solver::class_churn<process::edm>>;

/// The same for points on spheres, whose networks give logits (prediction::x0_posterior).
using sphere_processes = type_list<process::sphere_bridge<>>;
using sphere_solvers = type_list<solver::geodesic_bridge, solver::geodesic_random_walk>;

/// Texts that change their length: each has a loop of its own, and none fits a sampler.
using edits = type_list<process::edit<>, solver::tag_generate, search::edit_beam>;

/// What solver::decode is made of, and the caches of classes.
using decoders = type_list<solver::decode<>>;
using confidences =
    type_list<decode::probability, decode::log_probability, decode::margin, decode::neg_entropy,
              decode::random_order, decode::left_to_right, decode::coin>;
using commits = type_list<decode::per_call, decode::evenly, decode::by_coin, decode::transfer,
                          decode::mask_ratio, decode::threshold, decode::dynamic, decode::pace,
                          decode::predict_then_noise, decode::factor, decode::entropy_bound,
                          decode::entropy_sum>;
using class_caches = type_list<cache::unchanged, cache::kv_prefix, cache::kv_dual, cache::kv_prompt,
                               cache::kv_blocks, cache::dkv_decode, cache::dkv_greedy>;

/// Between the columns of a table and the states of a process.
using codecs =
    type_list<domain::table::quantile_normal, domain::table::standard, domain::table::min_max,
              domain::table::round_to_observed, domain::table::ordinal, domain::table::one_hot,
              domain::table::table_codec, domain::table::fixed_binary>;

/// Of databases of several tables.
using databases = type_list<domain::relational::group_sizes, domain::relational::block_structure,
                            domain::relational::joint_sweep<>>;

/// Of graphs of many nodes.
using sparse_graphs = type_list<domain::graph::edge_removal, domain::graph::degree_guided>;

/// Of problems with a graph of variables; denoiser::clamp_clean is a template on a network.
using structures = type_list<domain::structure::variables, domain::structure::factor_graph>;

using guidances =
    type_list<guidance::none, guidance::cfg<>, guidance::cfg_pp, guidance::rescale<guidance::cfg<>>,
              guidance::clip_x0<guidance::none>, guidance::dynamic_threshold<guidance::none>>;
/// Those of reverse kernels, for blocks of classes alone.
using class_guidances = type_list<guidance::d_cfg<>, guidance::d_cbg<>>;

using caches = type_list<cache::none, cache::every_n<2>, cache::linear<2>, cache::taylor<2, 2>>;

using searches = type_list<search::none, search::best_of_n, search::zero_order>;

/// A search over sets of starts, with a loop of its own.
using set_searches = type_list<search::group_select<>>;

/// Scores of rows that make a class of their own (dte_categorical is a function).
using anomaly_scores =
    type_list<analysis::anomaly::dte_non_parametric<double>, analysis::anomaly::dte_inverse_gamma,
              analysis::anomaly::reconstruction>;

}  // namespace registry
}  // namespace diffx
