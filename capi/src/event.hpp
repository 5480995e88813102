// SPDX-License-Identifier: Apache-2.0
// One event: what a queue holds and the caller reads.
#pragma once

#include "guard.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace sandboxkit::capi {

class EngineHandle;
class HostRequest;
class ProcessHandle;

// What an event takes up of its sender's allowance, until it is freed.
class Allowance {
public:
    virtual ~Allowance() = default;
    virtual void give_back(std::size_t amount) noexcept = 0;
};

} // namespace sandboxkit::capi

struct sbk_event : sandboxkit::capi::Owned {
    sbk_event(sbk_event_kind k, std::uint64_t t) : kind(k), tag(t) {}
    ~sbk_event();
    sbk_event(const sbk_event&) = delete;
    sbk_event& operator=(const sbk_event&) = delete;

    void set_json(boost::json::value value); // makes it valid UTF-8: names of files and words of peers need not be
    void charge(std::shared_ptr<sandboxkit::capi::Allowance> to, std::size_t amount) {
        allowance = std::move(to);
        charged = amount;
    }

    const sbk_event_kind kind;
    const std::uint64_t tag;
    sbk_status status = SBK_OK;
    boost::json::value json;
    std::string json_text; // empty: none
    std::string bytes, error_bytes;
    sbk_stream stream = SBK_STANDARD_OUTPUT;
    std::uint64_t offset = 0;
    std::shared_ptr<sandboxkit::capi::EngineHandle> engine;
    std::shared_ptr<sandboxkit::capi::ProcessHandle> process;
    std::shared_ptr<sandboxkit::capi::HostRequest> request;
    std::shared_ptr<sandboxkit::capi::Allowance> allowance;
    std::size_t charged = 0;
    sbk_event* next = nullptr; // in the queue
};
