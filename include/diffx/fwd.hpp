#pragma once

// The public templates and types, declared. Default arguments stand with the definitions.

#include <diffx/concepts/cache.hpp>
#include <diffx/concepts/guidance.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/concepts/search.hpp>

namespace diffx {

// step.hpp, timetable.hpp
struct level;
struct step;
class timetable;

// concepts/denoiser.hpp, concepts/prediction.hpp
template <class T>
struct batch_view;
struct query;
enum class frame;
struct linear_form;

// concepts/solver.hpp
struct noise_term;
struct stage;
struct categorical_stage;
class plan;
class categorical_plan;
template <class Process>
struct plan_context;

// run.hpp
enum class start;
enum class flow;
template <class Noise>
struct options;
struct progress;
struct result;
struct no_observer;
template <class Sampler, class Exec, class Denoiser, class Noise, class... Ts>
class run;

// sampler.hpp
template <process_policy Process, class Solver, guidance_policy Guidance, cache_policy Cache,
          search_policy Search>
struct sampler;

// error.hpp
class error;

namespace noise {
struct key;
struct counted;
}  // namespace noise

namespace exec {
struct host;
class threads;
}  // namespace exec

}  // namespace diffx
