// SPDX-License-Identifier: Apache-2.0
#include "git/watch.hpp"

#include <algorithm>

namespace sandboxkit::git {

namespace {

Error over(std::string code, std::string message) {
    return Error{ErrorClass::quota,
                 std::move(code),
                 std::move(message),
                 "clone with a depth, or raise the limit if this size is right",
                 "",
                 {}};
}

} // namespace

Watch::Watch(const CloneLimits& limits, std::stop_token stop, const std::function<void(const CloneProgress&)>& progress)
    : limits_(limits), stop_(std::move(stop)), handler_(progress), deadline_(std::chrono::steady_clock::now() + limits.total),
      next_report_(std::chrono::steady_clock::now()), last_byte_(next_report_) {}

void Watch::end(Error why) {
    if (!why_) why_ = std::move(why);
}

bool Watch::go_on() {
    if (why_) return false;
    if (stop_.stop_requested()) {
        end({ErrorClass::cancelled, "cancelled", "the clone was cancelled", "", "", {}});
    } else if (std::chrono::steady_clock::now() >= deadline_) {
        end({ErrorClass::timeout,
             "clone_timeout",
             "the clone took longer than " + std::to_string(limits_.total.count()) + " seconds",
             "clone with a depth, or allow more time",
             "",
             {}});
    }
    return !why_;
}

std::chrono::milliseconds Watch::patience() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - std::chrono::steady_clock::now());
    return std::clamp<std::chrono::milliseconds>(left, std::chrono::milliseconds(1), limits_.stall);
}

bool Watch::peer_silent() const {
    return std::chrono::steady_clock::now() - last_byte_ >= std::min<std::chrono::milliseconds>(limits_.stall, limits_.total);
}

void Watch::listing_references(bool on) {
    // 4 bytes of length, 40 of object id, two separators; names are rarely longer than 200 bytes, and the first line
    // carries the server's capabilities.
    listing_budget_.reset();
    if (on) listing_budget_ = limits_.references * 256 + (64U << 10);
}

bool Watch::received(std::size_t bytes) {
    progress_.received_bytes += bytes;
    last_byte_ = std::chrono::steady_clock::now();
    if (progress_.received_bytes > limits_.received_bytes)
        end(over("too_many_bytes",
                 "the repository is larger than the limit of " + std::to_string(limits_.received_bytes) + " bytes"));
    if (listing_budget_) {
        if (bytes > *listing_budget_)
            end(over("too_many_references",
                     "the server lists more references than the limit of " + std::to_string(limits_.references)));
        else
            *listing_budget_ -= bytes;
    }
    report(false);
    return go_on();
}

bool Watch::objects(std::uint64_t received, std::uint64_t total) {
    const bool first = progress_.total_objects == 0 && total != 0;
    progress_.received_objects = received;
    progress_.total_objects = total;
    if (total > limits_.objects || received > limits_.objects)
        end(over("too_many_objects", "the repository has more objects than the limit of " + std::to_string(limits_.objects)));
    report(first || (received == total && total != 0));
    return go_on();
}

bool Watch::files(std::uint64_t done, std::uint64_t total) {
    progress_.checked_out = done;
    progress_.checkout_total = total;
    report(done == total);
    return go_on();
}

void Watch::report(bool at_once) {
    const auto now = std::chrono::steady_clock::now();
    if (!handler_ || (!at_once && now < next_report_)) return;
    next_report_ = now + std::chrono::milliseconds(50);
    handler_(progress_);
}

} // namespace sandboxkit::git
