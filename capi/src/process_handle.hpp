// SPDX-License-Identifier: Apache-2.0
// A process in a session, and where the answers about it go.
#pragma once

#include "engine_handle.hpp"
#include "queue.hpp"

#include <sandboxkit/engine.hpp>

#include <atomic>
#include <memory>
#include <utility>

namespace sandboxkit::capi {

class ProcessHandle {
public:
    ProcessHandle(Process p, std::shared_ptr<EngineHandle> e, std::shared_ptr<Queue> q)
        : process(std::move(p)), engine(std::move(e)), queue(std::move(q)) {}

    Process process;
    const std::shared_ptr<EngineHandle> engine;
    const std::shared_ptr<Queue> queue;
    std::atomic<bool> followed = false;
};

} // namespace sandboxkit::capi

struct sbk_process : sandboxkit::capi::Owned {
    explicit sbk_process(std::shared_ptr<sandboxkit::capi::ProcessHandle> h) : handle(std::move(h)) {}
    const std::shared_ptr<sandboxkit::capi::ProcessHandle> handle;
};
