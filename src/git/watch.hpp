// SPDX-License-Identifier: Apache-2.0
// What may end a clone early: the caller, the clock, a limit. Asked at every byte received and every step taken, because
// libgit2 reports back in some of its phases only, and while it lists references in none.
#pragma once

#include "git/clone.hpp"

#include <chrono>
#include <cstddef>
#include <optional>

namespace sandboxkit::git {

// Used by the one thread that clones.
class Watch {
public:
    Watch(const CloneLimits& limits, std::stop_token stop, const std::function<void(const CloneProgress&)>& progress);

    // False when the clone must end; why() says the reason.
    [[nodiscard]] bool go_on();
    // Counts bytes from the network.
    [[nodiscard]] bool received(std::size_t bytes);
    // The peer's silence counts from now on: what was before was not its fault.
    void begin_waiting() { last_byte_ = std::chrono::steady_clock::now(); }
    // While the server lists its references every byte counts against what `limits.references` of them may take.
    void listing_references(bool on);
    // Objects as the pack announces or delivers them. Reports progress, at most some twenty times a second.
    [[nodiscard]] bool objects(std::uint64_t received, std::uint64_t total);
    [[nodiscard]] bool files(std::uint64_t done, std::uint64_t total);

    void end(Error why); // the first one stays
    // What the peer's transport knows about a failure. It counts only when the clone does fail.
    void suspect(Error why) { suspicion_ = std::move(why); }

    // Of all the work trees of this clone, each counted before it is written.
    struct Measured {
        std::uint64_t files = 0, bytes = 0;
    };
    [[nodiscard]] Measured& measured() { return measured_; }

    [[nodiscard]] const std::optional<Error>& why() const { return why_; }
    [[nodiscard]] const std::optional<Error>& suspicion() const { return suspicion_; }
    [[nodiscard]] const CloneLimits& limits() const { return limits_; }
    [[nodiscard]] const std::stop_token& stop() const { return stop_; }
    [[nodiscard]] std::uint64_t received_bytes() const { return progress_.received_bytes; }
    // The time that a peer may be silent now: never beyond the end of the whole.
    [[nodiscard]] std::chrono::milliseconds patience() const;
    // Whether the peer has used up its patience: how a timeout shows that a library reports as something else.
    [[nodiscard]] bool peer_silent() const;

private:
    void report(bool at_once);

    CloneLimits limits_;
    std::stop_token stop_;
    const std::function<void(const CloneProgress&)>& handler_;
    std::chrono::steady_clock::time_point deadline_;
    std::chrono::steady_clock::time_point next_report_;
    std::chrono::steady_clock::time_point last_byte_;
    CloneProgress progress_;
    Measured measured_;
    std::optional<std::uint64_t> listing_budget_;
    std::optional<Error> why_, suspicion_;
};

} // namespace sandboxkit::git
