#pragma once

namespace conformance {

/// Every setting that each scheduler class has. `grid`: what the time grid and the noise levels
/// depend on, with its default. `solver`: what only the update rule reads; a grid is right to pass
/// it by, and the code that runs the update has to look at it. A setting in neither is unknown.
inline constexpr char const* diffusers_settings = R"json({
"CMStochasticIterativeScheduler": {
 "grid": {
  "num_train_timesteps": 40, "sigma_min": 0.002, "sigma_max": 80.0, "rho": 7.0},
 "solver": [
  "sigma_data", "s_noise", "clip_denoised"]},
"CogVideoXDDIMScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
  "beta_schedule": "scaled_linear", "trained_betas": null, "set_alpha_to_one": true,
  "steps_offset": 0, "timestep_spacing": "leading", "rescale_betas_zero_snr": false,
  "snr_shift_scale": 3.0},
 "solver": [
  "clip_sample", "prediction_type", "clip_sample_range", "sample_max_value"]},
"CogVideoXDPMScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
  "beta_schedule": "scaled_linear", "trained_betas": null, "set_alpha_to_one": true,
  "steps_offset": 0, "timestep_spacing": "leading", "rescale_betas_zero_snr": false,
  "snr_shift_scale": 3.0},
 "solver": [
  "clip_sample", "prediction_type", "clip_sample_range", "sample_max_value"]},
"ConsistencyDecoderScheduler": {
 "grid": {
  "num_train_timesteps": 1024},
 "solver": [
  "sigma_data"]},
"CosineDPMSolverMultistepScheduler": {
 "grid": {
  "sigma_min": 0.3, "sigma_max": 500, "sigma_schedule": "exponential",
  "num_train_timesteps": 1000, "rho": 7.0, "final_sigmas_type": "zero"},
 "solver": [
  "sigma_data", "solver_order", "prediction_type", "solver_type", "lower_order_final",
  "euler_at_final"]},
"DDIMInverseScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "set_alpha_to_one": true, "steps_offset": 0,
  "timestep_spacing": "leading", "rescale_betas_zero_snr": false},
 "solver": [
  "clip_sample", "prediction_type", "clip_sample_range"]},
"DDIMScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "set_alpha_to_one": true, "steps_offset": 0,
  "timestep_spacing": "leading", "rescale_betas_zero_snr": false},
 "solver": [
  "clip_sample", "prediction_type", "thresholding", "dynamic_thresholding_ratio",
  "clip_sample_range", "sample_max_value"]},
"DDPMScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "timestep_spacing": "leading", "steps_offset": 0,
  "rescale_betas_zero_snr": false},
 "solver": [
  "variance_type", "clip_sample", "prediction_type", "thresholding",
  "dynamic_thresholding_ratio", "clip_sample_range", "sample_max_value"]},
"DDPMWuerstchenScheduler": {
 "grid": {
  "scaler": 1.0, "s": 0.008},
 "solver": [
  ]},
"DEISMultistepScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "use_karras_sigmas": false, "use_exponential_sigmas": false,
  "use_beta_sigmas": false, "use_flow_sigmas": false, "flow_shift": 1.0,
  "timestep_spacing": "linspace", "steps_offset": 0, "use_dynamic_shifting": false,
  "time_shift_type": "exponential"},
 "solver": [
  "solver_order", "prediction_type", "thresholding", "dynamic_thresholding_ratio",
  "sample_max_value", "algorithm_type", "solver_type", "lower_order_final"]},
"DPMSolverMultistepInverseScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "use_karras_sigmas": false, "use_exponential_sigmas": false,
  "use_beta_sigmas": false, "use_flow_sigmas": false, "flow_shift": 1.0,
  "lambda_min_clipped": "-inf", "timestep_spacing": "linspace", "steps_offset": 0},
 "solver": [
  "solver_order", "prediction_type", "thresholding", "dynamic_thresholding_ratio",
  "sample_max_value", "algorithm_type", "solver_type", "lower_order_final", "euler_at_final",
  "variance_type"]},
"DPMSolverMultistepScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "use_karras_sigmas": false, "use_exponential_sigmas": false,
  "use_beta_sigmas": false, "use_lu_lambdas": false, "use_flow_sigmas": false, "flow_shift": 1.0,
  "final_sigmas_type": "zero", "lambda_min_clipped": "-inf", "timestep_spacing": "linspace",
  "steps_offset": 0, "rescale_betas_zero_snr": false, "use_dynamic_shifting": false,
  "time_shift_type": "exponential"},
 "solver": [
  "solver_order", "prediction_type", "thresholding", "dynamic_thresholding_ratio",
  "sample_max_value", "algorithm_type", "solver_type", "lower_order_final", "euler_at_final",
  "variance_type"]},
"DPMSolverSDEScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
  "beta_schedule": "linear", "trained_betas": null, "use_karras_sigmas": false,
  "use_exponential_sigmas": false, "use_beta_sigmas": false, "timestep_spacing": "linspace",
  "steps_offset": 0},
 "solver": [
  "prediction_type", "noise_sampler_seed"]},
"DPMSolverSinglestepScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "use_karras_sigmas": false, "use_exponential_sigmas": false,
  "use_beta_sigmas": false, "use_flow_sigmas": false, "flow_shift": 1.0,
  "final_sigmas_type": "zero", "lambda_min_clipped": "-inf", "use_dynamic_shifting": false,
  "time_shift_type": "exponential"},
 "solver": [
  "solver_order", "prediction_type", "thresholding", "dynamic_thresholding_ratio",
  "sample_max_value", "algorithm_type", "solver_type", "lower_order_final", "variance_type"]},
"EDMDPMSolverMultistepScheduler": {
 "grid": {
  "sigma_min": 0.002, "sigma_max": 80.0, "sigma_schedule": "karras", "num_train_timesteps": 1000,
  "rho": 7.0, "final_sigmas_type": "zero"},
 "solver": [
  "sigma_data", "prediction_type", "solver_order", "thresholding", "dynamic_thresholding_ratio",
  "sample_max_value", "algorithm_type", "solver_type", "lower_order_final", "euler_at_final"]},
"EDMEulerScheduler": {
 "grid": {
  "sigma_min": 0.002, "sigma_max": 80.0, "sigma_schedule": "karras", "num_train_timesteps": 1000,
  "rho": 7.0, "final_sigmas_type": "zero"},
 "solver": [
  "sigma_data", "prediction_type"]},
"EulerAncestralDiscreteScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "timestep_spacing": "linspace", "steps_offset": 0,
  "rescale_betas_zero_snr": false},
 "solver": [
  "prediction_type"]},
"EulerDiscreteScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "prediction_type": "epsilon", "interpolation_type": "linear",
  "use_karras_sigmas": false, "use_exponential_sigmas": false, "use_beta_sigmas": false,
  "sigma_min": null, "sigma_max": null, "timestep_spacing": "linspace",
  "timestep_type": "discrete", "steps_offset": 0, "rescale_betas_zero_snr": false,
  "final_sigmas_type": "zero"},
 "solver": [
  ]},
"FlowMapEulerDiscreteScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "shift": 1.0},
 "solver": [
  ]},
"FlowMatchEulerDiscreteScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "shift": 1.0, "use_dynamic_shifting": false, "base_shift": 0.5,
  "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096,
  "invert_sigmas": false, "shift_terminal": null, "use_karras_sigmas": false,
  "use_exponential_sigmas": false, "use_beta_sigmas": false, "time_shift_type": "exponential"},
 "solver": [
  "stochastic_sampling"]},
"FlowMatchHeunDiscreteScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "shift": 1.0},
 "solver": [
  ]},
"FlowMatchLCMScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "shift": 1.0, "use_dynamic_shifting": false, "base_shift": 0.5,
  "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096,
  "invert_sigmas": false, "shift_terminal": null, "use_karras_sigmas": false,
  "use_exponential_sigmas": false, "use_beta_sigmas": false, "time_shift_type": "exponential",
  "scale_factors": null, "upscale_mode": "bicubic"},
 "solver": [
  ]},
"HeunDiscreteScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
  "beta_schedule": "linear", "trained_betas": null, "use_karras_sigmas": false,
  "use_exponential_sigmas": false, "use_beta_sigmas": false, "timestep_spacing": "linspace",
  "steps_offset": 0},
 "solver": [
  "prediction_type", "clip_sample", "clip_sample_range"]},
"IPNDMScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "trained_betas": null},
 "solver": [
  ]},
"KDPM2AncestralDiscreteScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
  "beta_schedule": "linear", "trained_betas": null, "use_karras_sigmas": false,
  "use_exponential_sigmas": false, "use_beta_sigmas": false, "timestep_spacing": "linspace",
  "steps_offset": 0},
 "solver": [
  "prediction_type"]},
"KDPM2DiscreteScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
  "beta_schedule": "linear", "trained_betas": null, "use_karras_sigmas": false,
  "use_exponential_sigmas": false, "use_beta_sigmas": false, "timestep_spacing": "linspace",
  "steps_offset": 0},
 "solver": [
  "prediction_type"]},
"LCMScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
  "beta_schedule": "scaled_linear", "trained_betas": null, "original_inference_steps": 50,
  "set_alpha_to_one": true, "steps_offset": 0, "timestep_spacing": "leading",
  "rescale_betas_zero_snr": false},
 "solver": [
  "clip_sample", "clip_sample_range", "prediction_type", "thresholding",
  "dynamic_thresholding_ratio", "sample_max_value", "timestep_scaling"]},
"LMSDiscreteScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "use_karras_sigmas": false, "use_exponential_sigmas": false,
  "use_beta_sigmas": false, "timestep_spacing": "linspace", "steps_offset": 0},
 "solver": [
  "prediction_type"]},
"LTXEulerAncestralRFScheduler": {
 "grid": {
  "num_train_timesteps": 1000},
 "solver": [
  "eta", "s_noise"]},
"MiniMaxH3Scheduler": {
 "grid": {
  "shift": 12.0},
 "solver": [
  ]},
"PNDMScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "skip_prk_steps": false, "set_alpha_to_one": false,
  "timestep_spacing": "leading", "steps_offset": 0},
 "solver": [
  "prediction_type"]},
"RePaintScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null},
 "solver": [
  "eta", "clip_sample"]},
"SASolverScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "use_karras_sigmas": false, "use_exponential_sigmas": false,
  "use_beta_sigmas": false, "use_flow_sigmas": false, "flow_shift": 1.0,
  "lambda_min_clipped": "-inf", "timestep_spacing": "linspace", "steps_offset": 0},
 "solver": [
  "predictor_order", "corrector_order", "prediction_type", "tau_func", "thresholding",
  "dynamic_thresholding_ratio", "sample_max_value", "algorithm_type", "lower_order_final",
  "variance_type"]},
"SCMScheduler": {
 "grid": {
  "num_train_timesteps": 1000},
 "solver": [
  "prediction_type", "sigma_data"]},
"ScoreSdeVeScheduler": {
 "grid": {
  "num_train_timesteps": 2000, "sigma_min": 0.01, "sigma_max": 1348.0, "sampling_eps": 1e-05},
 "solver": [
  "snr", "correct_steps"]},
"ScoreSdeVpScheduler": {
 "grid": {
  "num_train_timesteps": 2000, "beta_min": 0.1, "beta_max": 20, "sampling_eps": 0.001},
 "solver": [
  ]},
"TCDScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
  "beta_schedule": "scaled_linear", "trained_betas": null, "original_inference_steps": 50,
  "set_alpha_to_one": true, "steps_offset": 0, "timestep_spacing": "leading",
  "rescale_betas_zero_snr": false},
 "solver": [
  "clip_sample", "clip_sample_range", "prediction_type", "thresholding",
  "dynamic_thresholding_ratio", "sample_max_value", "timestep_scaling"]},
"UnCLIPScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2"},
 "solver": [
  "variance_type", "clip_sample", "clip_sample_range", "prediction_type"]},
"UniPCMultistepScheduler": {
 "grid": {
  "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
  "trained_betas": null, "use_karras_sigmas": false, "use_exponential_sigmas": false,
  "use_beta_sigmas": false, "use_flow_sigmas": false, "flow_shift": 1.0,
  "timestep_spacing": "linspace", "steps_offset": 0, "final_sigmas_type": "zero",
  "rescale_betas_zero_snr": false, "use_dynamic_shifting": false,
  "time_shift_type": "exponential", "sigma_min": null, "sigma_max": null, "shift_terminal": null},
 "solver": [
  "solver_order", "prediction_type", "thresholding", "dynamic_thresholding_ratio",
  "sample_max_value", "predict_x0", "solver_type", "lower_order_final", "disable_corrector",
  "solver_p"]}
})json";

}  // namespace conformance
