// SPDX-License-Identifier: Apache-2.0
// One case: a name, what holds when it passes, and the function that tries it.
#pragma once

#include <sandboxkit/provider.hpp>

#include <string_view>
#include <vector>

namespace sandboxkit::conformance {

class Bench;

// A capability without which a case means nothing; or, not `present`, with which it does.
struct Need {
    bool Capabilities::*capability;
    std::string_view name;
    bool present = true;
};

inline constexpr Need capture{&Capabilities::capture, "capture"};
inline constexpr Need capture_attributes{&Capabilities::capture_attributes, "capture_attributes"};
inline constexpr Need capture_holes{&Capabilities::capture_holes, "capture_holes"};
inline constexpr Need stop_and_resume{&Capabilities::stop_and_resume, "stop_and_resume"};
inline constexpr Need read_only_paths{&Capabilities::read_only_paths, "read_only_paths"};
inline constexpr Need egress_none{&Capabilities::egress_none, "egress_none"};
inline constexpr Need egress_open{&Capabilities::egress_open, "egress_open"};
inline constexpr Need cpu_limit{&Capabilities::cpu_limit, "cpu_limit"};
inline constexpr Need memory_limit{&Capabilities::memory_limit, "memory_limit"};
inline constexpr Need process_limit{&Capabilities::process_limit, "process_limit"};
inline constexpr Need disk_limit{&Capabilities::disk_limit, "disk_limit"};
inline constexpr Need volumes{&Capabilities::volumes, "volumes"};
inline constexpr Need no_volumes{&Capabilities::volumes, "volumes", false};

struct Case {
    std::string_view name;
    std::string_view about;
    void (*run)(Bench&);
    std::vector<Need> needs{};
};

struct Group {
    std::string_view name;
    std::vector<Case> cases;
};

Group lifecycle_cases();
Group idempotency_cases();
Group exec_cases();
Group files_cases();
Group limits_cases();
Group network_cases();
Group isolation_cases();
Group images_cases();
Group capture_cases();
Group volumes_cases();
Group read_only_paths_cases();
Group cancellation_cases();
Group concurrency_cases();
Group interruption_cases();
Group clean_cases();

} // namespace sandboxkit::conformance
