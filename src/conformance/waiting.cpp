// SPDX-License-Identifier: Apache-2.0
#include "conformance/waiting.hpp"

#include "async/spawn.hpp"
#include "envd/client.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <condition_variable>
#include <utility>

namespace sandboxkit::conformance {
namespace {

// After it was cancelled, before it is given up.
constexpr std::chrono::seconds last_grace{30};

template <class T>
struct Arrival {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<Result<T>> result;

    bool wait(std::chrono::milliseconds limit) {
        std::unique_lock lock(mutex);
        return arrived.wait_for(lock, limit, [&] { return result.has_value(); });
    }
};

} // namespace

struct Waiting::Loop {
    boost::asio::io_context context{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work = boost::asio::make_work_guard(context);
};

Waiting::Waiting(std::chrono::milliseconds patience)
    : loop_(std::make_shared<Loop>()), thread_([loop = loop_] { loop->context.run(); }), patience_(patience) {}

Waiting::~Waiting() {
    // It runs out by itself: a provider's thread that has just handed over a result may still hold the executor. Only what was
    // given up, which may never end, is not waited for; it keeps the loop.
    loop_->work.reset();
    if (given_up_)
        thread_.detach();
    else
        thread_.join();
}

boost::asio::any_io_executor Waiting::executor() const {
    return loop_->context.get_executor();
}

template <class T>
Operation<T> Waiting::begin(Task<T> task) {
    auto operation = async::spawn<T>(executor(), std::move(task));
    begun_.emplace_back([this, operation](bool end) mutable {
        if (operation.done()) return;
        if (end)
            (void)finish(operation);
        else
            operation.cancel();
    });
    return operation;
}

template <class T>
Result<T> Waiting::finish(Operation<T> operation) {
    auto arrival = std::make_shared<Arrival<T>>();
    operation.on_complete([arrival](Result<T> result) {
        {
            std::lock_guard lock(arrival->mutex);
            arrival->result = std::move(result);
        }
        arrival->arrived.notify_all();
    });
    {
        std::lock_guard lock(mutex_);
        current_ = [operation]() mutable { operation.cancel(); };
        if (cancelled_ && !shielded_) current_();
    }
    bool arrived = arrival->wait(patience_);
    if (!arrived) {
        operation.cancel();
        arrived = arrival->wait(last_grace);
    }
    bool leave = false;
    {
        std::lock_guard lock(mutex_);
        current_ = nullptr;
        leave = cancelled_ && !shielded_;
    }
    given_up_ = given_up_ || !arrived;
    if (leave) throw SuiteCancelled{};
    if (!arrived)
        return Error{ErrorClass::timeout,
                     "conformance_patience",
                     "the operation neither ended nor heard that it was cancelled",
                     "",
                     "",
                     {}};
    return std::move(*arrival->result);
}

void Waiting::settle() {
    auto begun = std::exchange(begun_, {});
    for (const bool end : {false, true})
        for (auto& each : begun) each(end);
}

void Waiting::cancel() {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (current_ && !shielded_) current_();
}

void Waiting::shield(bool on) {
    std::lock_guard lock(mutex_);
    shielded_ = on;
}

bool Waiting::cancelled() {
    std::lock_guard lock(mutex_);
    return cancelled_;
}

// Here, and not in every file of cases: coroutines and what starts them are slow to compile.
#define SANDBOXKIT_AWAITED(...)                                                                                                  \
    template Operation<__VA_ARGS__> Waiting::begin(Task<__VA_ARGS__>);                                                           \
    template Result<__VA_ARGS__> Waiting::finish(Operation<__VA_ARGS__>);
SANDBOXKIT_AWAITED(void)
SANDBOXKIT_AWAITED(std::string)
SANDBOXKIT_AWAITED(Capabilities)
SANDBOXKIT_AWAITED(ImageInfo)
SANDBOXKIT_AWAITED(std::vector<ImageInfo>)
SANDBOXKIT_AWAITED(SandboxInfo)
SANDBOXKIT_AWAITED(std::vector<SandboxInfo>)
SANDBOXKIT_AWAITED(Endpoint)
SANDBOXKIT_AWAITED(CaptureResult)
SANDBOXKIT_AWAITED(VolumeInfo)
SANDBOXKIT_AWAITED(std::vector<VolumeInfo>)
SANDBOXKIT_AWAITED(ExecResult)
SANDBOXKIT_AWAITED(std::shared_ptr<envd::ProcessStream>)
SANDBOXKIT_AWAITED(ProcessEvent)
SANDBOXKIT_AWAITED(std::vector<ProcessInfo>)
SANDBOXKIT_AWAITED(FileInfo)
SANDBOXKIT_AWAITED(std::vector<FileInfo>)
SANDBOXKIT_AWAITED(std::shared_ptr<envd::WatchStream>)
SANDBOXKIT_AWAITED(FileEvent)
SANDBOXKIT_AWAITED(TreeSummary)
#undef SANDBOXKIT_AWAITED

} // namespace sandboxkit::conformance
