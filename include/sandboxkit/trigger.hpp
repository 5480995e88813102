// SPDX-License-Identifier: Apache-2.0
// What starts sessions and refreshes snapshots without a person. What each member means: profile_fields.hpp.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace sandboxkit {

struct EventSource {
    std::string connection; // id of a connector or of a Git connection
    std::string type;
    std::map<std::string, std::string> match; // fields of the event, each with the value that it must have

    friend bool operator==(const EventSource&, const EventSource&) = default;
};

struct Trigger {
    std::string name;
    bool enabled = true;
    std::string schedule; // a cron expression
    std::optional<EventSource> event;
    std::string prompt;

    friend bool operator==(const Trigger&, const Trigger&) = default;
};

struct RefreshSchedule {
    bool enabled = false;
    std::string schedule; // a cron expression

    friend bool operator==(const RefreshSchedule&, const RefreshSchedule&) = default;
};

} // namespace sandboxkit
