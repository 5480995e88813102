// SPDX-License-Identifier: Apache-2.0
// What the engine wants of its host application, as events: questions that a call answers, and log lines.
#pragma once

#include "queue.hpp"

#include <sandboxkit/connections.hpp>
#include <sandboxkit/credentials.hpp>
#include <sandboxkit/error.hpp>
#include <sandboxkit/log.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace sandboxkit::capi {

[[nodiscard]] Error wrong_answer(std::vector<Problem> problems);

// One question. Answered once, by whoever is first: the host, the end of the time, or the end of the engine.
class HostRequest {
public:
    using Reader = std::function<Result<void>(const boost::json::value& answer)>; // called under the lock
    // `wrong` makes the error of an answer that is no JSON, or longer than `limits` allow.
    explicit HostRequest(Reader reader, JsonLimits limits = {}, Error (*wrong)(std::vector<Problem>) = wrong_answer)
        : reader_(std::move(reader)), limits_(limits), wrong_(wrong) {}

    sbk_status respond(std::string_view text);
    sbk_status refuse(ErrorClass kind, std::string_view message);
    void refuse_unanswered() noexcept; // nobody can answer any more

    // Waits, in this thread.
    Result<void> wait(std::chrono::milliseconds time);
    // Or: the eventfd is written to when it has ended, at once if it has. Until outcome(), which nothing is written after.
    void wake_through(int descriptor) noexcept;
    // How it ended; one that has not is unanswered from now on.
    Result<void> outcome();

private:
    enum class State : std::uint8_t { open, answered, refused, unanswered };
    bool end(State state) noexcept; // with the mutex held; false: it has ended already

    const Reader reader_;
    const JsonLimits limits_;
    Error (*const wrong_)(std::vector<Problem>);
    std::mutex mutex_;
    std::condition_variable ended_;
    int descriptor_ = -1;
    State state_ = State::open;
    Error error_; // of a refusal
};

// Asks on a queue. Its functions are called by the engine's threads.
class Host final : public ReferenceSource, public CredentialSource, public std::enable_shared_from_this<Host> {
public:
    // `told_of_releases`: whether the host application is told that a credential is given back.
    Host(std::shared_ptr<Queue> queue, std::uint64_t tag, std::chrono::milliseconds time, bool told_of_releases = false)
        : queue_(std::move(queue)), tag_(tag), time_(time), told_of_releases_(told_of_releases) {}

    Result<std::optional<Connection>> connection(std::string_view id) override;
    Result<std::optional<EnvironmentBinding>> environment(std::string_view id) override;
    Result<std::optional<HostRecord>> host(std::string_view name) override;
    Result<std::optional<Credential>> credential(const CredentialRequest& request) override;
    Result<void> release(const CredentialRequest& request, const Credential& credential, CredentialUse use) override;
    void log(const LogLine& line);
    // Puts a question into the queue, to be waited for by the caller.
    Result<void> post(boost::json::object question, const std::shared_ptr<HostRequest>& request);

    // Nobody waits for an answer any more.
    void close() noexcept;

private:
    class LogAllowance;
    template <class T, class Read>
    Result<std::optional<T>> ask(boost::json::object question, Read read);

    const std::shared_ptr<Queue> queue_;
    const std::uint64_t tag_;
    const std::chrono::milliseconds time_;
    const bool told_of_releases_;
    std::mutex mutex_;
    std::uint64_t last_lease_ = 0;
    std::multimap<std::string, std::uint64_t> leases_; // not given back, by the digest of their secret
    bool closed_ = false;
    std::vector<std::weak_ptr<HostRequest>> open_;
    std::size_t lines_ = 0;     // in events that were not freed
    std::uint64_t dropped_ = 0; // since the last line that went out
};

} // namespace sandboxkit::capi
