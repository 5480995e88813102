// SPDX-License-Identifier: Apache-2.0
// Who hears what a build in this process tells.
#pragma once

#include <sandboxkit/engine.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sandboxkit::engine {

// Thread-safe. A handler is called by one thread at a time; it may call the engine, but not `unsubscribe` itself.
class ProgressBoard {
public:
    using Key = std::uint64_t;
    Key subscribe(std::string job, ProgressHandler handler) {
        std::lock_guard lock(mutex_);
        listeners_.emplace(++last_, std::make_shared<Listener>(std::move(job), std::move(handler)));
        return last_;
    }
    // The handler is not called any more when this returns.
    void unsubscribe(Key key) {
        std::shared_ptr<Listener> listener;
        {
            std::lock_guard lock(mutex_);
            listener = listeners_.extract(key).mapped();
        }
        std::lock_guard turn(listener->turn);
        listener->handler = nullptr;
    }
    void tell(const std::string& job, const Progress& progress) {
        std::vector<std::shared_ptr<Listener>> listeners;
        {
            std::lock_guard lock(mutex_);
            for (const auto& [key, listener] : listeners_)
                if (listener->job == job) listeners.push_back(listener);
        }
        for (const auto& listener : listeners) {
            std::lock_guard turn(listener->turn);
            if (listener->handler) listener->handler(progress);
        }
    }

private:
    struct Listener {
        Listener(std::string j, ProgressHandler h) : job(std::move(j)), handler(std::move(h)) {}
        const std::string job;
        std::mutex turn;
        ProgressHandler handler; // empty: unsubscribed
    };

    std::mutex mutex_;
    Key last_ = 0;
    std::map<Key, std::shared_ptr<Listener>> listeners_;
};

} // namespace sandboxkit::engine
