#pragma once

// Control of the stand-in for the CUDA runtime: kernels do nothing, "device" memory is the host's,
// and the k-th call of a run fails.
namespace fake {

enum class fault {
  none,
  at_call,       // the call itself fails, once
  from_call_on,  // and so does every later one
  on_device,     // a launch succeeds; its kernel fails, which later calls report for ever
};

/// Forgets all errors and counts calls from 0; the call number `point` fails.
void arm(fault kind, int point) noexcept;

/// There is no memory for the block number `block` from here on, for none if negative.
void refuse_memory(int block) noexcept;

int calls() noexcept;       // launches, waits, copies and what concerns graphs since then
int launches() noexcept;    // those of them that were launches
int live() noexcept;        // streams, blocks of memory and graphs that exist
bool recording() noexcept;  // whether a stream is being recorded

}  // namespace fake
