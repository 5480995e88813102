// SPDX-License-Identifier: Apache-2.0
// A call into the sandbox of a running session.
#pragma once

#include "engine/sessions.hpp"

#include <utility>

namespace sandboxkit::engine {

// `call(envd::Client&)` is a Task<T>. Its failure is explained by what became of the session meanwhile.
template <class T, class Call>
Task<T> in_sandbox(Context& context, Principal who, std::string session, Call call) {
    auto client = co_await client_of(context, std::move(who), session);
    if (!client) co_return client.error();
    Result<T> result = co_await call(**client);
    if (result) co_return result;
    auto why = co_await explain_failure(context, session, result.error());
    co_return why.error();
}

// A handle on something that is open in a sandbox. Keeps its session from counting as idle until `busy` is let go.
template <class Stream>
struct OpenStream {
    OpenStream(Context& c, std::string s, std::shared_ptr<envd::Client> cl, std::shared_ptr<Stream> st)
        : context(c.shared_from_this()), session(std::move(s)), client(std::move(cl)), stream(std::move(st)),
          busy(std::in_place, c, &Context::busy, session) {}
    ~OpenStream() {
        // The connection belongs to the io thread. Of a closed engine, it goes with the context.
        boost::asio::post(context->io, [stream = std::move(stream), client = std::move(client)] {});
    }
    OpenStream(const OpenStream&) = delete;
    OpenStream& operator=(const OpenStream&) = delete;

    const std::shared_ptr<Context> context;
    const std::string session;
    std::shared_ptr<envd::Client> client;
    std::shared_ptr<Stream> stream;
    std::optional<SessionCount> busy;
};

} // namespace sandboxkit::engine
