// SPDX-License-Identifier: Apache-2.0
#include "engine/processes.hpp"

#include "engine/in_sandbox.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <optional>

namespace sandboxkit {

class Process::Impl : public engine::OpenStream<envd::ProcessStream> {
public:
    Impl(engine::Context& c, std::string s, std::shared_ptr<envd::Client> cl, std::shared_ptr<envd::ProcessStream> st,
         std::string i, envd::ProcessInput in)
        : OpenStream(c, std::move(s), std::move(cl), std::move(st)), id(std::move(i)), input(in) {}

    const std::string id;
    const envd::ProcessInput input;
};

Process::Process(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const std::string& Process::id() const {
    return impl_->id;
}

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
    if (event.error().kind != ErrorClass::cancelled) process->busy.reset();
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
        with_client(impl_, [bytes = std::move(bytes), input = impl_->input](envd::Client& client, std::uint32_t pid) mutable {
            return client.send_input(pid, std::move(bytes), input);
        }));
}

Operation<void> Process::close_stdin() {
    return impl_->context->run<void>(
        with_client(impl_, [](envd::Client& client, std::uint32_t pid) { return client.close_stdin(pid); }));
}

Operation<void> Process::resize(TerminalSize size) {
    return impl_->context->run<void>(
        with_client(impl_, [size](envd::Client& client, std::uint32_t pid) { return client.resize(pid, size); }));
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

// As ProcessInfo::id.
Result<envd::ProcessSelector> select(const std::string& id) {
    if (id.empty()) return Error{ErrorClass::invalid, "process_missing", "no process was named", "", "", {}};
    if (id.find_first_not_of("0123456789") != std::string::npos) return envd::ProcessSelector(0, id);
    std::uint32_t pid = 0;
    const auto parsed = std::from_chars(id.data(), id.data() + id.size(), pid);
    if (parsed.ec == std::errc{} && pid > 0) return envd::ProcessSelector(pid);
    return Error{ErrorClass::not_found, "process_not_found", "no process has the pid " + id, "", "", {}};
}

// Kills what was started under `tag`, if it was. Errors are let go: nobody is told the pid, and nobody waits any more.
Task<void> kill_tagged(envd::Client& client, const std::string& tag) {
    auto processes = co_await client.list();
    if (!processes) co_return processes.error();
    for (const auto& process : *processes) {
        if (process.id != tag) continue;
        auto killed = co_await client.send_signal(process.pid, SIGKILL);
        co_return killed;
    }
    co_return Result<void>{};
}

// Cancelled before the sandbox has answered, it may have started all the same: then it is killed by its tag.
Task<std::shared_ptr<Process::Impl>> start(Context& context, Principal who, std::string session, ExecRequest request) {
    auto ok = check(request);
    if (!ok) co_return ok.error();
    auto client = co_await client_of(context, std::move(who), session);
    if (!client) co_return client.error();
    const auto tag = context.ids->next("cmd");
    const auto input = request.terminal ? envd::ProcessInput::terminal : envd::ProcessInput::standard_input;
    if (request.terminal) request.environment.try_emplace("TERM", "xterm-256color"); // what programs draw for
    auto stream = co_await (*client)->start(std::move(request), tag);
    if (!stream) {
        if (stream.error().kind == ErrorClass::cancelled) {
            co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
            (void)co_await kill_tagged(**client, tag);
        }
        auto why = co_await explain_failure(context, session, stream.error());
        co_return why.error();
    }
    co_return std::make_shared<Process::Impl>(context, session, *client, *stream, tag, input);
}

} // namespace

Task<Process> start_process(Context& context, Principal who, std::string session, ExecRequest request) {
    auto process = co_await start(context, std::move(who), std::move(session), std::move(request));
    if (!process) co_return process.error();
    co_return Process(std::move(*process));
}

Task<std::vector<ProcessInfo>> processes(Context& context, Principal who, std::string session) {
    return in_sandbox<std::vector<ProcessInfo>>(context, std::move(who), std::move(session),
                                                [](envd::Client& client) { return client.list(); });
}

Task<Process> attach_process(Context& context, Principal who, std::string session, std::string process,
                             std::optional<std::uint64_t> offset) {
    auto selector = select(process);
    if (!selector) co_return selector.error();
    auto client = co_await client_of(context, std::move(who), session);
    if (!client) co_return client.error();
    auto stream = co_await (*client)->connect(std::move(*selector), offset);
    if (stream)
        co_return Process(
            std::make_shared<Process::Impl>(context, session, *client, *stream, std::move(process), envd::ProcessInput::either));
    auto why = co_await explain_failure(context, session, stream.error());
    co_return why.error();
}

// Not by attaching to it: what somebody attached is told counts as read.
static Task<void> signal_by_id(envd::Client& client, envd::ProcessSelector process, int number) {
    if (process.pid == 0) {
        auto listed = co_await client.list();
        if (!listed) co_return listed.error();
        const auto found = std::find_if(listed->begin(), listed->end(), [&](const auto& info) { return info.id == process.tag; });
        if (found == listed->end())
            co_return Error{
                ErrorClass::not_found, "process_not_found", "no process with the id " + process.tag + " runs", "", "", {}};
        process.pid = found->pid;
    }
    auto sent = co_await client.send_signal(process.pid, number);
    co_return sent;
}

Task<void> signal_process(Context& context, Principal who, std::string session, std::string process, int number) {
    auto selector = select(process);
    if (!selector) co_return selector.error();
    const auto call = [selector = *selector, number](envd::Client& client) { return signal_by_id(client, selector, number); };
    auto sent = co_await in_sandbox<void>(context, std::move(who), std::move(session), call);
    co_return sent;
}

Task<ExecResult> exec(Context& context, Principal who, std::string session, ExecRequest request, std::uint64_t output_limit) {
    if (request.standard_input || request.terminal)
        co_return Error{ErrorClass::invalid,
                        "input_needs_process",
                        "a collected command has neither standard input nor a terminal",
                        "use start_process",
                        "",
                        {}};
    auto process = co_await start(context, std::move(who), std::move(session), std::move(request));
    if (!process) co_return process.error();
    ExecResult result;
    std::uint64_t read = 0;
    for (;;) {
        auto event = co_await next_event(*process);
        if (!event) {
            if (event.error().kind == ErrorClass::cancelled) {
                co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
                (void)co_await (*process)->client->send_signal((*process)->stream->pid(), SIGKILL);
            }
            co_return event.error();
        }
        result.dropped_bytes += event->offset - read; // nothing, unless the connection broke for long
        read = event->offset + event->bytes.size();
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

} // namespace engine
} // namespace sandboxkit
