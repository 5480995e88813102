// SPDX-License-Identifier: Apache-2.0
#include "engine/git_access.hpp"

#include "engine/records.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>
#include <vector>

namespace sandboxkit::engine {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds between_requests = 60s; // on one connection of git
constexpr auto next_try = 1s;                               // after a tunnel that could not be had

} // namespace

GitAccess::GitAccess(Context& context, const store::Session& session, const Recipe& recipe, std::shared_ptr<envd::Client> client)
    : context_(context), session_(session.id), client_(std::move(client)),
      proxy_(std::make_shared<GitProxy>(context, session, recipe)) {}

Task<std::optional<std::uint16_t>> GitAccess::open(std::shared_ptr<GitAccess> self) {
    using Port = std::optional<std::uint16_t>;
    auto tunnel = co_await self->client_->tunnel();
    if (!tunnel && tunnel.error().kind == ErrorClass::unsupported) {
        self->log_unavailable(tunnel.error());
        self->ended_ = true;
        co_return Port();
    }
    if (!tunnel) co_return tunnel.error();
    self->first_ = std::move(*tunnel);
    co_return Port(self->first_->port);
}

void GitAccess::start() {
    fill();
}

void GitAccess::stop() {
    ended_ = true;
    first_.reset();
    std::vector<Operation<void>> workers;
    for (const auto& [key, worker] : workers_) workers.push_back(worker);
    for (auto& worker : workers) worker.cancel();
}

void GitAccess::fill() {
    while (!ended_ && !context_.closing && waiting_ < waiting_tunnels && workers_.size() < tunnels_limit) {
        ++waiting_;
        const auto key = ++last_worker_;
        try {
            auto worker = context_.run<void>(work(shared_from_this(), std::exchange(first_, std::nullopt), key));
            workers_.emplace(key, std::move(worker));
        } catch (...) { // for lack of memory: the next that ends tries again
            --waiting_;
            return;
        }
    }
}

// One tunnel, from its waiting to its end, and then another in its place.
Task<void> GitAccess::work(std::shared_ptr<GitAccess> self, std::optional<envd::Tunnel> tunnel, std::uint64_t key) {
    bool used = false;
    auto serving = serve(self, std::move(tunnel), used);
    (void)co_await async::without_exceptions(std::move(serving));
    if (!used) {
        auto pausing = self->pause();
        (void)co_await async::without_exceptions(std::move(pausing));
        --self->waiting_;
    }
    // Not at once: this is not in the list before it has begun.
    asio::post(self->context_.io, [self, key] {
        self->workers_.erase(key);
        self->fill();
    });
    co_return Result<void>{};
}

// `used`: from its first request on it does not wait any more.
Task<void> GitAccess::serve(std::shared_ptr<GitAccess> self, std::optional<envd::Tunnel> tunnel, bool& used) {
    if (!tunnel) {
        auto opened = co_await self->client_->tunnel();
        if (!opened && opened.error().kind == ErrorClass::unsupported) {
            self->log_unavailable(opened.error());
            self->ended_ = true;
        }
        if (!opened) co_return opened.error();
        tunnel = std::move(*opened);
    }
    net::HttpServed client(std::move(tunnel->stream));
    for (;;) {
        auto head = co_await client.next(used ? between_requests : 0ms);
        if (!head || !*head) break;
        if (!std::exchange(used, true)) {
            --self->waiting_;
            self->fill();
        }
        auto served = co_await GitProxy::serve(self->proxy_, client, std::move(**head));
        if (!served) break;
    }
    client.close();
    co_return Result<void>{};
}

// The sandbox does not answer now, or no longer: then there is nobody to wait for.
Task<void> GitAccess::pause() {
    if (ended_ || context_.closing) co_return Result<void>{};
    auto row = co_await context_.in_store([this](store::Store& store) { return store.session(session_); });
    if (row && row->state != SessionState::running && row->state != SessionState::starting) {
        ended_ = true;
        const auto known = context_.git_access.find(session_);
        if (known != context_.git_access.end() && known->second.get() == this) context_.git_access.erase(known);
        co_return Result<void>{};
    }
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return Result<void>{}; // it would not come a second time
    asio::steady_timer timer(context_.io);
    timer.expires_after(next_try);
    boost::system::error_code ec;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    co_return Result<void>{};
}

void GitAccess::log_unavailable(const Error& why) const {
    context_.log(LogLevel::warning, "git.unavailable",
                 "the git of a session cannot be answered: its sandbox brings no connections",
                 with_error({{"session", session_}}, why));
}

// Or on its way to being stopped.
static bool is_answered(Context& context, const std::string& session) {
    const std::lock_guard guard(context.sessions_mutex);
    return context.git_access.contains(session) || context.stopping.contains(session);
}

Task<void> adopt_git_access(Context& context, store::Session session) {
    if (is_answered(context, session.id)) co_return Result<void>{};
    if (session.engine != context.engine_id() && !context.lock->is_dead(session.engine)) co_return Result<void>{};
    auto version =
        co_await context.in_store([&](store::Store& store) { return store.version(session.profile, session.version); });
    if (!version) co_return version.error();
    auto recipe = stored_recipe(version->recipe);
    if (!recipe) co_return recipe.error();
    if (GitProxy::repositories_of(*recipe).empty()) co_return Result<void>{};
    auto provider = co_await context.provider(session.host);
    if (!provider) co_return provider.error();
    auto endpoint = co_await (*provider)->endpoint(session.sandbox_id);
    if (!endpoint) co_return endpoint.error();
    auto client = envd::Client::make(context.executor(), std::move(*endpoint));
    // Stopped meanwhile, or adopted.
    auto row = co_await context.in_store([&](store::Store& store) { return store.session(session.id); });
    if (!row) co_return row.error();
    if (row->state != SessionState::running || is_answered(context, session.id)) co_return Result<void>{};
    auto access = std::make_shared<GitAccess>(context, *row, *recipe, std::move(client));
    context.git_access.emplace(session.id, access);
    access->start();
    co_return Result<void>{};
}

void stop_git_access(Context& context, const std::string& session) {
    const auto found = context.git_access.find(session);
    if (found == context.git_access.end()) return;
    found->second->stop();
    context.git_access.erase(found);
}

} // namespace sandboxkit::engine
