// SPDX-License-Identifier: Apache-2.0
#include "failing_memory.hpp"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace sandboxkit::test {

namespace {

thread_local long until_failure = 0; // 0: none
thread_local bool lasting = false, failed = false, known = false;

std::atomic<long> of_next_thread = 0;
std::atomic<bool> next_is_lasting = false, next_failed = false;
thread_local bool is_next = false;

bool fails_now() noexcept {
    if (!known) { // the first allocation of this thread
        known = true;
        if (const long n = of_next_thread.exchange(0); n > 0) {
            until_failure = n;
            lasting = next_is_lasting;
            is_next = true;
        }
    }
    if (until_failure == 0 || --until_failure > 0) return false;
    if (lasting) until_failure = 1;
    failed = true;
    if (is_next) next_failed = true;
    return true;
}

void* allocate(std::size_t size, std::size_t alignment) {
    if (fails_now()) throw std::bad_alloc();
    void* const memory = alignment <= alignof(std::max_align_t)
                             ? std::malloc(size == 0 ? 1 : size)
                             : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (!memory) throw std::bad_alloc();
    return memory;
}

} // namespace

void fail_allocation(long n, Shortage shortage) noexcept {
    known = true;
    failed = false;
    lasting = shortage == Shortage::from_then_on;
    until_failure = n;
}

void fail_allocation_of_next_thread(long n, Shortage shortage) noexcept {
    known = true;
    next_failed = false;
    next_is_lasting = shortage == Shortage::from_then_on;
    of_next_thread = n;
}

bool stop_failing() noexcept {
    until_failure = 0;
    return failed;
}

bool next_thread_failed() noexcept {
    of_next_thread = 0;
    return next_failed;
}

} // namespace sandboxkit::test

using sandboxkit::test::allocate;

void* operator new(std::size_t size) {
    return allocate(size, 1);
}
void* operator new[](std::size_t size) {
    return allocate(size, 1);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
