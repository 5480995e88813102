// SPDX-License-Identifier: Apache-2.0
// operator new, failing when a test wants it to: on this thread, or on one that begins.
#pragma once

namespace sandboxkit::test {

enum class Shortage {
    once,        // one allocation fails, the next one succeeds again
    from_then_on // until it is over
};

// On this thread the n-th allocation from now on fails, n = 1, 2, ...
void fail_allocation(long n, Shortage shortage) noexcept;
// On the next thread that begins, in which this is counted from its first allocation on.
void fail_allocation_of_next_thread(long n, Shortage shortage) noexcept;
// The end of it on this thread; whether an allocation failed.
bool stop_failing() noexcept;
// Of the thread that fail_allocation_of_next_thread() was for; it has to have ended, or to allocate no more.
bool next_thread_failed() noexcept;

} // namespace sandboxkit::test
