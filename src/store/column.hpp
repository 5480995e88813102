// SPDX-License-Identifier: Apache-2.0
// How a value of the domain is kept in a column: as text or as a 64-bit integer. Enumerations are kept by name, so
// that a file can be read by people and survives a renumbering; times in milliseconds, limits in seconds.
#pragma once

#include <sandboxkit/clock.hpp>
#include <sandboxkit/principal.hpp>
#include <sandboxkit/session.hpp>
#include <sandboxkit/snapshot.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace sandboxkit::store {

// A row that no build of this library writes: the file is damaged.
class BadRow : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

template <class E>
struct EnumValues;
template <>
struct EnumValues<JobState> {
    static constexpr std::array all{JobState::queued, JobState::running, JobState::succeeded, JobState::failed,
                                    JobState::cancelled};
};
template <>
struct EnumValues<JobTrigger> {
    static constexpr std::array all{JobTrigger::publish, JobTrigger::manual_refresh, JobTrigger::scheduled_refresh};
};
template <>
struct EnumValues<BuildPhase> {
    static constexpr std::array all{BuildPhase::queued,       BuildPhase::repositories, BuildPhase::image, BuildPhase::start,
                                    BuildPhase::setup_script, BuildPhase::capture,      BuildPhase::record};
};
template <>
struct EnumValues<SessionState> {
    static constexpr std::array all{SessionState::starting, SessionState::running, SessionState::stopped,
                                    SessionState::removing, SessionState::removed, SessionState::failed};
};

template <>
struct EnumValues<Channel> {
    static constexpr std::array all{Channel::api, Channel::form, Channel::assistant, Channel::command_line};
};

// Wire is std::string or long long; to() and from() convert. from() throws BadRow.
template <class T>
struct Column;

template <>
struct Column<std::string> {
    using Wire = std::string;
    static Wire to(const std::string& v) { return v; }
    static std::string from(const Wire& w) { return w; }
};
template <>
struct Column<std::string_view> { // only to
    using Wire = std::string;
    static Wire to(std::string_view v) { return Wire(v); }
};
template <std::integral T>
struct Column<T> {
    using Wire = long long;
    static Wire to(T v) { return static_cast<Wire>(v); }
    static T from(Wire w) {
        const T v = static_cast<T>(w);
        if (static_cast<Wire>(v) != w) throw BadRow("a number is out of range");
        return v;
    }
};
template <>
struct Column<Timestamp> {
    using Wire = long long;
    static Wire to(Timestamp v) { return v.time_since_epoch().count(); }
    static Timestamp from(Wire w) { return Timestamp(std::chrono::milliseconds(w)); }
};
template <>
struct Column<std::chrono::seconds> {
    using Wire = long long;
    static Wire to(std::chrono::seconds v) { return v.count(); }
    static std::chrono::seconds from(Wire w) { return std::chrono::seconds(w); }
};
template <class E>
requires std::is_enum_v<E>
struct Column<E> {
    using Wire = std::string;
    static Wire to(E v) { return Wire(to_string(v)); }
    static E from(const Wire& w) {
        for (E e : EnumValues<E>::all)
            if (to_string(e) == w) return e;
        throw BadRow("unknown name '" + w.substr(0, 40) + "'");
    }
};

} // namespace sandboxkit::store
