// SPDX-License-Identifier: Apache-2.0
// GET and POST /sandboxkit/tree: whole trees as tar streams, which the public wire does not have.
#include "guest/body_sinks.hpp"
#include "guest/encoding.hpp"
#include "guest/file_error.hpp"
#include "guest/paths.hpp"
#include "guest/service.hpp"
#include "guest/tree_worker.hpp"

#include <boost/asio/post.hpp>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace sandboxkit::guest {
namespace {

constexpr std::string_view tar_type = "application/x-tar";
constexpr std::size_t pull_size = 128 << 10;
constexpr int pulls_of_a_turn = 8;

// One for all: nothing is left in it between two calls.
std::array<char, 64 << 10> piece;

// What the packer writes, as the body of a response.
class TreeDownload : public StreamSource, public std::enable_shared_from_this<TreeDownload> {
public:
    TreeDownload(const std::shared_ptr<Connection>& connection, std::shared_ptr<TreeWorker> worker)
        : connection_(connection), worker_(std::move(worker)) {}

    // Answers when the archive has begun, or will not.
    void wait_for_beginning() {
        worker_->reports().async_wait(boost::asio::posix::descriptor_base::wait_read,
                                      [self = shared_from_this()](const boost::system::error_code& ec) {
                                          if (!ec) self->report_arrived();
                                      });
    }

private:
    void report_arrived() {
        const auto connection = connection_.lock();
        if (!connection || !worker_->reports().is_open()) return;
        const auto report = worker_->next_report();
        if (!report) return wait_for_beginning();
        if (report->kind == TreeWorker::Report::Kind::failed) return connection->respond(file_error(report->failure()));
        connection->respond_stream(tar_type, {}, shared_from_this());
    }

    bool pull(std::string& out) override {
        const auto connection = connection_.lock();
        if (!connection) return false;
        // A reader that is fast enough would keep this going; others want to be served, too.
        if (++pulls_ % pulls_of_a_turn == 0) return connection->wake(), false;
        const std::size_t begin = out.size();
        while (out.size() - begin < pull_size) {
            const ssize_t n = ::read(worker_->archive().native_handle(), piece.data(), piece.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) break;
            if (n <= 0) return ended(connection);
            out.append(piece.data(), static_cast<std::size_t>(n));
        }
        if (out.size() == begin) wait_for_more();
        return false;
    }

    // The child has said how before it closed the pipe.
    bool ended(const std::shared_ptr<Connection>& connection) {
        const auto report = worker_->next_report();
        if (report && report->kind == TreeWorker::Report::Kind::done) return true;
        // That the end is missing tells the peer.
        boost::asio::post(connection->executor(), [connection] { connection->close(); });
        return false;
    }

    void wait_for_more() {
        if (std::exchange(waiting_, true)) return;
        worker_->archive().async_wait(boost::asio::posix::descriptor_base::wait_read,
                                      [self = shared_from_this()](const boost::system::error_code& ec) {
                                          self->waiting_ = false;
                                          const auto connection = self->connection_.lock();
                                          if (!ec && connection) connection->wake();
                                      });
    }

    void delivered() override {}
    void abandoned() override { worker_->kill(); }

    std::weak_ptr<Connection> connection_;
    std::shared_ptr<TreeWorker> worker_;
    bool waiting_ = false;
    int pulls_ = 0;
};

// Packs when the (empty) body of the request has been read.
class TreeRequest : public BodySink {
public:
    explicit TreeRequest(std::function<void()> begin) : begin_(std::move(begin)) {}
    void data(std::string_view) override {}
    void end() override { begin_(); }

private:
    std::function<void()> begin_;
};

// The body of a request on its way to the unpacker. It outlives the sink, whose end is not the end of the work.
class TreeUpload : public std::enable_shared_from_this<TreeUpload> {
public:
    TreeUpload(const std::shared_ptr<Connection>& connection, std::shared_ptr<TreeWorker> worker)
        : connection_(connection), worker_(std::move(worker)) {}

    void add(std::string_view bytes) {
        pending_ = bytes;
        write();
    }
    [[nodiscard]] bool ready() const { return pending_.empty(); }

    void finish() {
        boost::system::error_code ignored;
        if (worker_->archive().is_open()) worker_->archive().close(ignored);
        wait_for_report();
    }

private:
    void write() {
        while (!pending_.empty()) {
            // After a failure the rest is read and forgotten, so that the answer arrives.
            if (!worker_->archive().is_open()) return pending_.clear();
            const ssize_t n = ::write(worker_->archive().native_handle(), pending_.data(), pending_.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) return wait_for_room();
            if (n < 0) {
                boost::system::error_code ignored;
                worker_->archive().close(ignored);
                continue;
            }
            pending_.erase(0, static_cast<std::size_t>(n));
        }
    }

    void wait_for_room() {
        worker_->archive().async_wait(boost::asio::posix::descriptor_base::wait_write,
                                      [self = shared_from_this()](const boost::system::error_code& ec) {
                                          const auto connection = self->connection_.lock();
                                          if (ec || !connection || !connection->open()) return;
                                          self->write();
                                          if (self->ready()) connection->resume();
                                      });
    }

    void wait_for_report() {
        worker_->reports().async_wait(boost::asio::posix::descriptor_base::wait_read,
                                      [self = shared_from_this()](const boost::system::error_code& ec) {
                                          if (!ec) self->report_arrived();
                                      });
    }

    void report_arrived() {
        const auto connection = connection_.lock();
        if (!connection || !worker_->reports().is_open()) return;
        const auto report = worker_->next_report();
        if (!report) return wait_for_report();
        if (report->kind == TreeWorker::Report::Kind::failed) return connection->respond(file_error(report->failure()));
        connection->respond({200,
                             "application/json",
                             "{\"entries\":" + std::to_string(report->count.entries) + ",\"bytes\":\"" +
                                 std::to_string(report->count.bytes) + "\"}\n",
                             {}});
    }

    std::weak_ptr<Connection> connection_;
    std::shared_ptr<TreeWorker> worker_;
    std::string pending_; // that the pipe has not taken
};

class TreeBody : public BodySink {
public:
    explicit TreeBody(std::shared_ptr<TreeUpload> upload) : upload_(std::move(upload)) {}
    void data(std::string_view bytes) override { upload_->add(bytes); }
    void end() override { upload_->finish(); }
    [[nodiscard]] bool ready() const override { return upload_->ready(); }

private:
    std::shared_ptr<TreeUpload> upload_;
};

} // namespace

std::unique_ptr<BodySink> Service::begin_tree(const Shared& connection, const RequestHead& head) {
    const auto refuse = [&](unsigned status, std::string_view message) {
        return std::make_unique<IgnoreBody>(connection, plain_error(status, message));
    };
    if (head.method != "GET" && head.method != "POST")
        return std::make_unique<IgnoreBody>(connection, Response{405, {}, {}, "Allow: GET, POST\r\n"});
    const auto query = parse_query(head.query);
    if (!query) return refuse(400, "the query is not valid");
    const std::string username = value_of(*query, "username");
    auto user = find_user(username.empty() ? settings_.default_user : username);
    if (!user) return refuse(401, "error looking up user '" + username + "': unknown user");
    const std::string wanted = value_of(*query, "path");
    if (wanted.empty()) return refuse(400, "the query has no path");
    const auto path = resolve_path(wanted, *user, settings_.default_workdir);
    if (!path) return refuse(400, path.error().message);

    const auto work = [this, connection, path = *path, user = std::move(*user)](TreeWorker::Work kind) {
        auto worker = TreeWorker::start(connection->executor(), kind, path, user, processes_.spawn_settings());
        if (worker) connection->when_closed([worker = *worker] { worker->kill(); });
        return worker;
    };
    if (head.method == "GET")
        return std::make_unique<TreeRequest>([connection, work] {
            const auto worker = work(TreeWorker::Work::pack);
            if (!worker) return connection->respond(plain_error(503, worker.error().message));
            std::make_shared<TreeDownload>(connection, *worker)->wait_for_beginning();
        });

    if (const std::string_view encoding = head.field("Content-Encoding"); !encoding.empty() && encoding != "identity")
        return refuse(415, "Content-Encoding '" + std::string(encoding) + "' is not supported for trees");
    const std::string_view type = head.field("Content-Type");
    if (!equals_ignoring_case(type.substr(0, type.find(';')), tar_type))
        return refuse(415, "Content-Type '" + std::string(type) + "' is not " + std::string(tar_type));
    const auto worker = work(TreeWorker::Work::unpack);
    if (!worker) return refuse(503, worker.error().message);
    return std::make_unique<TreeBody>(std::make_shared<TreeUpload>(connection, *worker));
}

} // namespace sandboxkit::guest
