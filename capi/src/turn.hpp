// SPDX-License-Identifier: Apache-2.0
// One step of a loop over operations. An operation that is done at once is gone on with in the loop itself, and not in its
// handler: many of them would pile up frames.
#pragma once

#include <sandboxkit/error.hpp>

#include <mutex>
#include <optional>
#include <utility>

namespace sandboxkit::capi {

template <class T>
class Turn {
public:
    std::optional<Result<T>> result;

    // By the handler. True: the loop has left, and the handler goes on.
    bool arrived(Result<T> r) {
        const std::lock_guard lock(mutex_);
        result.emplace(std::move(r));
        return left_;
    }
    // By the loop. True: the result is there, and the loop goes on.
    bool leave() {
        const std::lock_guard lock(mutex_);
        left_ = true;
        return result.has_value();
    }

private:
    std::mutex mutex_;
    bool left_ = false;
};

} // namespace sandboxkit::capi
