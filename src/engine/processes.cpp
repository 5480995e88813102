// SPDX-License-Identifier: Apache-2.0
#include "engine/processes.hpp"

#include "engine/sessions.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <csignal>
#include <optional>

namespace sandboxkit {

// Keeps its session from counting as idle while the process runs.
class Process::Impl {
public:
    Impl(std::shared_ptr<engine::Context> c, std::string s, std::shared_ptr<envd::Client> cl,
         std::shared_ptr<envd::ProcessStream> st)
        : context(std::move(c)), session(std::move(s)), client(std::move(cl)), stream(std::move(st)),
          busy(std::in_place, *context, &engine::Context::busy, session) {}
    ~Impl() {
        // The connection belongs to the io thread. Of a closed engine, it goes with the context.
        boost::asio::post(context->io, [stream = std::move(stream), client = std::move(client)] {});
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    const std::shared_ptr<engine::Context> context;
    std::string session;
    std::shared_ptr<envd::Client> client;
    std::shared_ptr<envd::ProcessStream> stream;
    std::optional<engine::SessionCount> busy; // none: it has ended
};

Process::Process(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::uint32_t Process::pid() const {
    return impl_->stream->pid();
}

// Each operation holds the process, so that dropping the handle while one runs is safe.
static Task<ProcessEvent> next_event(std::shared_ptr<Process::Impl> process) {
    auto event = co_await process->stream->next();
    if (event) {
        if (event->end) process->busy.reset(); // not when the handle goes, which may be kept
        co_return event;
    }
    auto why = co_await engine::explain_failure(*process->context, process->session, event.error());
    co_return why.error();
}

template <class Call>
static Task<void> with_client(std::shared_ptr<Process::Impl> process, Call call) {
    auto done = co_await call(*process->client, process->stream->pid());
    if (done) co_return done;
    auto why = co_await engine::explain_failure(*process->context, process->session, done.error());
    co_return why;
}

Operation<ProcessEvent> Process::next() {
    return impl_->context->run<ProcessEvent>(next_event(impl_));
}

Operation<void> Process::write(std::string bytes) {
    return impl_->context->run<void>(
        with_client(impl_, [bytes = std::move(bytes)](envd::Client& client, std::uint32_t pid) mutable {
            return client.send_input(pid, std::move(bytes));
        }));
}

Operation<void> Process::close_stdin() {
    return impl_->context->run<void>(
        with_client(impl_, [](envd::Client& client, std::uint32_t pid) { return client.close_stdin(pid); }));
}

Operation<void> Process::signal(int number) {
    return impl_->context->run<void>(
        with_client(impl_, [number](envd::Client& client, std::uint32_t pid) { return client.send_signal(pid, number); }));
}

namespace engine {
namespace {

Result<void> check(const ExecRequest& request) {
    const auto invalid = [](const char* code, std::string message) {
        return Error{ErrorClass::invalid, code, std::move(message), "", "", {}};
    };
    if (request.argv.empty() || request.argv.front().empty()) return invalid("command_missing", "no command was given");
    const auto has_nul = [](const std::string& s) { return s.find('\0') != std::string::npos; };
    if (std::any_of(request.argv.begin(), request.argv.end(), has_nul))
        return invalid("command_nul", "an argument contains a NUL byte");
    for (const auto& [name, value] : request.environment)
        if (name.empty() || name.find('=') != std::string::npos || has_nul(name) || has_nul(value))
            return invalid("environment_invalid",
                           "an environment variable's name is empty or contains '=' or NUL, or its value a NUL byte");
    if (request.cwd && (!request.cwd->starts_with('/') || has_nul(*request.cwd)))
        return invalid("cwd_invalid", "the working directory must be an absolute path");
    if (request.timeout && request.timeout->count() <= 0)
        return invalid("timeout_out_of_range", "a timeout must be at least one millisecond");
    return {};
}

// Kills what was started under `tag`, if it was. Errors are let go: nobody is told the pid, and nobody waits any more.
Task<void> kill_tagged(envd::Client& client, const std::string& tag) {
    auto processes = co_await client.list();
    if (!processes) co_return processes.error();
    for (const auto& process : *processes) {
        if (process.tag != tag) continue;
        auto killed = co_await client.send_signal(process.pid, SIGKILL);
        co_return killed;
    }
    co_return Result<void>{};
}

// Cancelled before the sandbox has answered, it may have started all the same: then it is killed by its tag.
Task<std::shared_ptr<Process::Impl>> start(Context& context, std::string session, ExecRequest request) {
    auto ok = check(request);
    if (!ok) co_return ok.error();
    auto client = co_await client_of(context, session);
    if (!client) co_return client.error();
    const auto tag = context.ids->next("cmd");
    auto stream = co_await (*client)->start(std::move(request), tag);
    if (!stream) {
        if (stream.error().kind == ErrorClass::cancelled) {
            co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
            (void)co_await kill_tagged(**client, tag);
        }
        auto why = co_await explain_failure(context, session, stream.error());
        co_return why.error();
    }
    co_return std::make_shared<Process::Impl>(context.shared_from_this(), session, *client, *stream);
}

} // namespace

Task<Process> start_process(Context& context, std::string session, ExecRequest request) {
    auto process = co_await start(context, std::move(session), std::move(request));
    if (!process) co_return process.error();
    co_return Process(std::move(*process));
}

Task<ExecResult> exec(Context& context, std::string session, ExecRequest request, std::uint64_t output_limit) {
    if (request.standard_input)
        co_return Error{
            ErrorClass::invalid, "stdin_needs_process", "a collected command has no standard input", "use start_process", "", {}};
    auto process = co_await start(context, std::move(session), std::move(request));
    if (!process) co_return process.error();
    ExecResult result;
    for (;;) {
        auto event = co_await next_event(*process);
        if (!event) {
            if (event.error().kind == ErrorClass::cancelled) {
                co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
                (void)co_await (*process)->client->send_signal((*process)->stream->pid(), SIGKILL);
            }
            co_return event.error();
        }
        if (event->end) {
            result.end = *event->end;
            co_return result;
        }
        auto& kept = event->stream == Stream::standard_output ? result.standard_output : result.standard_error;
        const auto room = output_limit > kept.size() ? output_limit - kept.size() : 0;
        const auto take = std::min<std::uint64_t>(room, event->bytes.size());
        kept.append(event->bytes, 0, take);
        result.dropped_bytes += event->bytes.size() - take;
    }
}

Task<std::string> read_file(Context& context, std::string session, std::string path) {
    auto client = co_await client_of(context, session);
    if (!client) co_return client.error();
    auto bytes = co_await (*client)->read_file(std::move(path));
    if (bytes) co_return bytes;
    auto why = co_await explain_failure(context, session, bytes.error());
    co_return why.error();
}

Task<void> write_file(Context& context, std::string session, std::string path, std::string bytes) {
    auto client = co_await client_of(context, session);
    if (!client) co_return client.error();
    auto written = co_await (*client)->write_file(std::move(path), std::move(bytes));
    if (written) co_return Result<void>{};
    auto why = co_await explain_failure(context, session, written.error());
    co_return why;
}

} // namespace engine
} // namespace sandboxkit
