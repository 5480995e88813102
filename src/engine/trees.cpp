// SPDX-License-Identifier: Apache-2.0
#include "engine/files.hpp"
#include "engine/in_sandbox.hpp"
#include "tree/file_descriptor.hpp"
#include "tree/tree_stream.hpp"

#include <sandboxkit/asio.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <sys/socket.h>

#include <functional>

namespace sandboxkit::engine {

namespace asio = boost::asio;

namespace {

constexpr std::size_t piece_size = 128 << 10;

// A tree that a thread packs or unpacks, and our end of the socket that its archive goes through.
class TreeWork {
public:
    using Work = std::function<Result<TreeSummary>(int socket)>;

    static Result<std::shared_ptr<TreeWork>> start(Context& context, Work work) {
        int ends[2] = {-1, -1};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            return Error{
                ErrorClass::quota, "out_of_descriptors", "no more files can be opened", "raise the limit of open files", "", {}};
        auto theirs = std::make_shared<tree::FileDescriptor>(ends[1]);
        auto started = std::make_shared<TreeWork>(context.executor(), ends[0]);
        auto call = [work = std::move(work), theirs](std::stop_token) {
            auto done = work(theirs->get());
            theirs->reset(); // whoever still sends hears of it
            return done;
        };
        started->work_ = async::spawn<TreeSummary>(context.executor(), async::blocking(context.tree_pool, std::move(call)));
        return started;
    }
    TreeWork(const asio::any_io_executor& executor, int socket) : socket_(executor, asio::local::stream_protocol(), socket) {}

    // The next piece of the archive that is packed; empty: its end.
    static Task<std::string> read(std::shared_ptr<TreeWork> self) {
        std::string piece(piece_size, '\0');
        boost::system::error_code error;
        const auto n =
            co_await self->socket_.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted) co_return cancelled_error();
        if (error) {
            auto packed = co_await finish(self); // whether that was all
            if (!packed) co_return packed.error();
        }
        piece.resize(n);
        co_return piece;
    }

    // Passes a piece of the archive on; empty: its end, and waits until it is unpacked.
    static Task<void> write(std::shared_ptr<TreeWork> self, std::string piece) {
        boost::system::error_code error;
        if (!piece.empty()) {
            co_await asio::async_write(self->socket_, asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
            if (!error) co_return Result<void>{};
            if (error == asio::error::operation_aborted) co_return cancelled_error();
        }
        auto unpacked = co_await finish(self); // an error says why nobody takes it any more
        if (!unpacked) co_return unpacked.error();
        co_return Result<void>{};
    }

    // Waits for the thread, which our closed end makes come back; cancelled or not, so that it is left behind by nobody.
    static Task<TreeSummary> finish(std::shared_ptr<TreeWork> self) {
        if (!self->result_) {
            boost::system::error_code ignored;
            self->socket_.shutdown(asio::local::stream_protocol::socket::shutdown_both, ignored);
            // This wait alone does not hear of it: the other side may still have to be waited for.
            auto unheard = asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable);
            self->result_ = co_await async_wait(*self->work_, unheard);
        }
        co_return *self->result_;
    }

private:
    asio::local::stream_protocol::socket socket_;
    std::optional<Operation<TreeSummary>> work_;
    std::optional<Result<TreeSummary>> result_;
};

// The end of a transfer whose other half ended so.
template <class T>
Task<TreeSummary> end(Context& context, std::string session, std::shared_ptr<TreeWork> work, Result<T> transfer) {
    auto here = co_await TreeWork::finish(work);
    if (transfer) co_return here;
    // What this machine could not do was told the other half as its end; it is not the sandbox's failure.
    if (!here && here.error().code == transfer.error().code) co_return here.error();
    auto why = co_await explain_failure(context, session, transfer.error());
    co_return why.error();
}

} // namespace

Task<TreeSummary> upload_tree(Context& context, Principal who, std::string session, std::filesystem::path from, std::string to) {
    auto client = co_await client_of(context, std::move(who), session);
    if (!client) co_return client.error();
    const SessionCount busy(context, &Context::busy, session);
    TreeWork::Work pack = [from = std::move(from)](int socket) { return tree::send_tree(from, socket); };
    auto work = TreeWork::start(context, std::move(pack));
    if (!work) co_return work.error();
    std::function<Task<std::string>()> source = [work = *work] { return TreeWork::read(work); };
    auto sent = co_await (*client)->upload_tree(std::move(to), std::move(source));
    auto ended = co_await end(context, std::move(session), *work, std::move(sent));
    co_return ended;
}

Task<TreeSummary> download_tree(Context& context, Principal who, std::string session, std::string from, std::filesystem::path to,
                                TreeLimits limits) {
    auto client = co_await client_of(context, std::move(who), session);
    if (!client) co_return client.error();
    const SessionCount busy(context, &Context::busy, session);
    TreeWork::Work unpack = [to = std::move(to), limits](int socket) { return tree::receive_tree(socket, to, limits); };
    auto work = TreeWork::start(context, std::move(unpack));
    if (!work) co_return work.error();
    std::function<Task<void>(std::string)> sink = [work = *work](std::string piece) {
        return TreeWork::write(work, std::move(piece));
    };
    auto received = co_await (*client)->download_tree(std::move(from), std::move(sink));
    auto ended = co_await end(context, std::move(session), *work, std::move(received));
    co_return ended;
}

} // namespace sandboxkit::engine
