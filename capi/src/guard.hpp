// SPDX-License-Identifier: Apache-2.0
// The border between C and C++: no exception crosses it, and objects of a parent process are told apart.
#pragma once

#include <sandboxkit.h>

#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace sandboxkit::capi {

// What the caller did wrong, or rather the process it did it in. Thrown by the functions below, caught by guarded().
struct Misuse {};
struct Forked {};

#ifdef SANDBOXKIT_C_FAULTS
// Set by the tests: called at the beginning of every function of the header, with its name; may throw.
inline void (*fault)(const char* function) = nullptr;
inline void fault_point(const char* function) {
    if (fault) fault(function);
}
#else
inline void fault_point(const char*) noexcept {}
#endif

// The body of every function of the header that returns a status.
template <class Body>
sbk_status guarded(const char* function, Body body) noexcept {
    try {
        fault_point(function);
        return body();
    } catch (const Misuse&) {
        return SBK_MISUSE;
    } catch (const Forked&) {
        return SBK_FORKED;
    } catch (const std::bad_alloc&) {
        return SBK_NO_MEMORY;
    } catch (const std::system_error&) { // no thread can be made any more
        return SBK_NO_MEMORY;
    } catch (...) {
        return SBK_INTERNAL;
    }
}

// Of one with a result: that is empty until the body has succeeded.
template <class T, class Body>
sbk_status guarded(const char* function, T** result, Body body) noexcept {
    if (result) *result = nullptr;
    return guarded(function, std::move(body));
}

// Of one that returns something else: `otherwise` when it could not be had.
template <class T, class Body>
T guarded_or(const char* function, T otherwise, Body body) noexcept {
    try {
        fault_point(function);
        return body();
    } catch (...) {
        return otherwise;
    }
}

// Every object of the header: belongs to the process that made it.
class Owned {
public:
    [[nodiscard]] bool here() const noexcept { return owner_ == ::getpid(); }

protected:
    Owned() = default;
    ~Owned() = default;

private:
    pid_t owner_ = ::getpid();
};

template <class T>
T& object(T* pointer) {
    if (!pointer) throw Misuse{};
    if (!pointer->here()) throw Forked{};
    return *pointer;
}

// The body of every free.
template <class T>
void release(const char* function, T* pointer) noexcept {
    guarded(function, [&] {
        if (pointer && pointer->here()) delete pointer;
        return SBK_OK;
    });
}

// The place for a result that is not optional.
template <class T>
T*& result_at(T** place) {
    if (!place) throw Misuse{};
    return *place;
}

// A value of an enumeration as it came, which from C may be any number: in C++ such a value may not even be looked at.
template <class E>
int number_of(const E& value) noexcept {
    static_assert(sizeof value == sizeof(int));
    int number = 0;
    std::memcpy(&number, &value, sizeof number);
    return number;
}

inline std::optional<std::string_view> optional_text(const char* data, std::size_t size) {
    if (!data) {
        if (size != 0 && size != SBK_NUL) throw Misuse{};
        return {};
    }
    return size == SBK_NUL ? std::string_view(data) : std::string_view(data, size);
}

inline std::string_view text(const char* data, std::size_t size) {
    const auto given = optional_text(data, size);
    if (!given) throw Misuse{};
    return *given;
}

inline std::string text_or_empty(const char* data, std::size_t size) {
    return std::string(optional_text(data, size).value_or(std::string_view()));
}

} // namespace sandboxkit::capi
