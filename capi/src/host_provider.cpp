// SPDX-License-Identifier: Apache-2.0
#include "host_provider.hpp"

#include "operation.hpp"
#include "provider_json.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/value.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstddef>
#include <optional>
#include <system_error>
#include <type_traits>

namespace sandboxkit::capi {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

// A list of thousands of sandboxes with all their labels.
constexpr JsonLimits answer_limits{std::size_t{64} << 20, 32};

Error no_descriptor(const std::error_code& why) {
    return {
        ErrorClass::unavailable, "no_descriptor", "this process can wait for no more answers of its host", "", why.message(), {}};
}

// Wakes a coroutine when a question has ended. Through a descriptor, since whoever ends it may be a free, which can ask for no
// memory, in a thread that knows nothing of the coroutine's executor, and at a time when that is gone.
class Wake {
public:
    Wake(asio::any_io_executor executor, std::shared_ptr<HostRequest> request)
        : descriptor_(std::make_shared<asio::posix::stream_descriptor>(std::move(executor))), request_(std::move(request)) {}
    ~Wake() { (void)request_->outcome(); } // nothing is written to the descriptor any more; also when the coroutine is destroyed
    Wake(const Wake&) = delete;
    Wake& operator=(const Wake&) = delete;

    Result<void> open() {
        const int made = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (made < 0) return no_descriptor({errno, std::generic_category()});
        boost::system::error_code ec;
        descriptor_->assign(made, ec);
        if (ec) {
            ::close(made);
            return no_descriptor(ec);
        }
        request_->wake_through(made);
        return {};
    }
    // Until it has ended or the coroutine is cancelled.
    asio::awaitable<void> wait() {
        boost::system::error_code ignored;
        co_await descriptor_->async_wait(asio::posix::stream_descriptor::wait_read,
                                         asio::redirect_error(asio::use_awaitable, ignored));
    }
    // Or for that long.
    asio::awaitable<void> wait_for(std::chrono::milliseconds limit) {
        asio::steady_timer timer(descriptor_->get_executor(), limit);
        timer.async_wait([descriptor = descriptor_](const boost::system::error_code& stopped) {
            boost::system::error_code ignored;
            if (!stopped) descriptor->cancel(ignored);
        });
        co_await wait();
    }

private:
    const std::shared_ptr<asio::posix::stream_descriptor> descriptor_;
    const std::shared_ptr<HostRequest> request_;
};

} // namespace

Task<void> HostProvider::exchange(json::object question, std::shared_ptr<HostRequest> request) {
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return cancelled_error();
    auto executor = co_await asio::this_coro::executor;
    Wake wake(std::move(executor), request);
    if (auto open = wake.open(); !open) co_return open;
    if (auto posted = host_->post(std::move(question), request); !posted) co_return posted;
    co_await wake.wait();
    state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_await wake.wait_for(patience_);
    auto outcome = request->outcome();
    // What was done in spite of that is told so.
    if (!outcome && state.cancelled() != asio::cancellation_type::none) co_return cancelled_error();
    co_return outcome;
}

template <class T>
Task<T> HostProvider::ask(std::string_view operation, json::object arguments) {
    json::object question{{"request", "provider"}, {"provider", name_}, {"operation", operation}};
    for (auto& argument : arguments) question.emplace(argument.key(), std::move(argument.value()));
    auto answered = std::make_shared<std::optional<Result<T>>>();
    auto request = std::make_shared<HostRequest>(
        [answered](const json::value& answer) -> Result<void> { return read_provider_answer<T>(answer, *answered); },
        answer_limits, wrong_provider_answer);
    auto ended = co_await exchange(std::move(question), std::move(request));
    if (!ended) co_return ended.error();
    auto result = std::move(**answered);
    answered->reset(); // the event may live on, and must not keep a token
    co_return result;
}

Task<Capabilities> HostProvider::capabilities() {
    return ask<Capabilities>("capabilities", {});
}
Task<ImageInfo> HostProvider::prepare_image(ImageRequest request) {
    auto arguments = to_json(request);
    if (!arguments) return [](Error error) -> Task<ImageInfo> { co_return error; }(arguments.error());
    return ask<ImageInfo>("prepare_image", std::move(*arguments));
}
Task<ImageInfo> HostProvider::inspect_image(std::string image_id) {
    return ask<ImageInfo>("inspect_image", {{"image_id", image_id}});
}
Task<std::vector<ImageInfo>> HostProvider::list_images() {
    return ask<std::vector<ImageInfo>>("list_images", {});
}
Task<void> HostProvider::remove_image(std::string image_id) {
    return ask<void>("remove_image", {{"image_id", image_id}});
}
Task<SandboxInfo> HostProvider::create(CreateRequest request) {
    return ask<SandboxInfo>("create", to_json(request));
}
Task<void> HostProvider::start(std::string sandbox_id) {
    return ask<void>("start", {{"sandbox_id", sandbox_id}});
}
Task<void> HostProvider::stop(std::string sandbox_id) {
    return ask<void>("stop", {{"sandbox_id", sandbox_id}});
}
Task<void> HostProvider::destroy(std::string sandbox_id) {
    return ask<void>("destroy", {{"sandbox_id", sandbox_id}});
}
Task<SandboxInfo> HostProvider::inspect(std::string sandbox_id) {
    return ask<SandboxInfo>("inspect", {{"sandbox_id", sandbox_id}});
}
Task<std::vector<SandboxInfo>> HostProvider::list(std::map<std::string, std::string> labels) {
    return ask<std::vector<SandboxInfo>>("list", {{"labels", to_json(labels)}});
}
Task<Endpoint> HostProvider::endpoint(std::string sandbox_id) {
    return ask<Endpoint>("endpoint", {{"sandbox_id", sandbox_id}});
}
Task<CaptureResult> HostProvider::capture(std::string sandbox_id, std::map<std::string, std::string> labels) {
    return ask<CaptureResult>("capture", {{"sandbox_id", sandbox_id}, {"labels", to_json(labels)}});
}
Task<VolumeInfo> HostProvider::ensure_volume(std::string token, std::map<std::string, std::string> labels) {
    return ask<VolumeInfo>("ensure_volume", {{"token", token}, {"labels", to_json(labels)}});
}
Task<void> HostProvider::remove_volume(std::string volume_id) {
    return ask<void>("remove_volume", {{"volume_id", volume_id}});
}
Task<std::vector<VolumeInfo>> HostProvider::list_volumes(std::map<std::string, std::string> labels) {
    return ask<std::vector<VolumeInfo>>("list_volumes", {{"labels", to_json(labels)}});
}

} // namespace sandboxkit::capi
