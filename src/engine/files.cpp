// SPDX-License-Identifier: Apache-2.0
#include "engine/files.hpp"

#include "engine/in_sandbox.hpp"

#include <boost/asio/post.hpp>

namespace sandboxkit {

class FileWatch::Impl : public engine::OpenStream<envd::WatchStream> {
    using OpenStream::OpenStream;
};

FileWatch::FileWatch(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

// It holds the watch, so that dropping the handle meanwhile is safe.
static Task<FileEvent> next_event(std::shared_ptr<FileWatch::Impl> watch) {
    auto event = co_await watch->stream->next();
    if (event) co_return event;
    if (event.error().kind != ErrorClass::cancelled) watch->busy.reset();
    auto why = co_await engine::explain_failure(*watch->context, watch->session, event.error());
    co_return why.error();
}

Operation<FileEvent> FileWatch::next() {
    return impl_->context->run<FileEvent>(next_event(impl_));
}

namespace engine {

Task<std::string> read_file(Context& context, Principal who, std::string session, std::string path) {
    return in_sandbox<std::string>(context, std::move(who), std::move(session),
                                   [path = std::move(path)](envd::Client& client) { return client.read_file(path); });
}

Task<void> write_file(Context& context, Principal who, std::string session, std::string path, std::string bytes) {
    auto client = co_await client_of(context, std::move(who), session);
    if (!client) co_return client.error();
    auto written = co_await (*client)->write_file(std::move(path), std::move(bytes));
    if (written) co_return Result<void>{};
    auto why = co_await explain_failure(context, session, written.error());
    co_return why;
}

Task<FileInfo> file_info(Context& context, Principal who, std::string session, std::string path) {
    return in_sandbox<FileInfo>(context, std::move(who), std::move(session),
                                [path = std::move(path)](envd::Client& client) { return client.stat(path); });
}

Task<std::vector<FileInfo>> list_directory(Context& context, Principal who, std::string session, std::string path,
                                           std::uint32_t depth) {
    return in_sandbox<std::vector<FileInfo>>(
        context, std::move(who), std::move(session),
        [path = std::move(path), depth](envd::Client& client) { return client.list_dir(path, depth); });
}

Task<FileInfo> make_directory(Context& context, Principal who, std::string session, std::string path) {
    return in_sandbox<FileInfo>(context, std::move(who), std::move(session),
                                [path = std::move(path)](envd::Client& client) { return client.make_dir(path); });
}

Task<FileInfo> move_file(Context& context, Principal who, std::string session, std::string from, std::string to) {
    return in_sandbox<FileInfo>(
        context, std::move(who), std::move(session),
        [from = std::move(from), to = std::move(to)](envd::Client& client) { return client.move(from, to); });
}

Task<void> remove_file(Context& context, Principal who, std::string session, std::string path) {
    return in_sandbox<void>(context, std::move(who), std::move(session),
                            [path = std::move(path)](envd::Client& client) { return client.remove(path); });
}

Task<FileWatch> watch_directory(Context& context, Principal who, std::string session, std::string path, bool recursive) {
    auto client = co_await client_of(context, std::move(who), session);
    if (!client) co_return client.error();
    auto stream = co_await (*client)->watch(std::move(path), recursive);
    if (stream) co_return FileWatch(std::make_shared<FileWatch::Impl>(context, session, *client, *stream));
    auto why = co_await explain_failure(context, session, stream.error());
    co_return why.error();
}

} // namespace engine
} // namespace sandboxkit
