// SPDX-License-Identifier: Apache-2.0
// Awaits operations from a plain thread: the cases are read from top to bottom, and the coroutines run on a thread beside.
#pragma once

#include <sandboxkit/operation.hpp>
#include <sandboxkit/provider.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace sandboxkit::conformance {

// Thrown out of a case when the whole suite was cancelled.
struct SuiteCancelled {};

class Waiting {
public:
    explicit Waiting(std::chrono::milliseconds patience);
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    [[nodiscard]] boost::asio::any_io_executor executor() const;

    // Started when it returns. For every T of the provider's and of the client's operations (waiting.cpp lists them).
    template <class T>
    Operation<T> begin(Task<T> task);
    // Its end; timeout "conformance_patience" when there is none in time, even after it was cancelled.
    template <class T>
    Result<T> finish(Operation<T> operation);
    template <class T>
    Result<T> wait(Task<T> task) {
        return finish(begin(std::move(task)));
    }

    // Cancels what was begun and is not finished, and waits for it.
    void settle();

    // From any thread: what is waited for is cancelled, and so is what comes.
    void cancel();
    // While it is on, nothing is cancelled: the clearing up.
    void shield(bool on);
    [[nodiscard]] bool cancelled();

private:
    struct Loop;
    std::shared_ptr<Loop> loop_;
    std::thread thread_;
    std::chrono::milliseconds patience_;
    std::mutex mutex_;
    bool cancelled_ = false, shielded_ = false;
    bool given_up_ = false; // something, of the thread that waits
    std::function<void()> current_;
    std::vector<std::function<void(bool end)>> begun_; // of the thread that waits
};

} // namespace sandboxkit::conformance
