// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/image_trees.hpp"

#include "providers/docker/base_image.hpp"
#include "providers/docker/operation.hpp"

#include "tree/tar_writer.hpp"
#include "tree/tree_stream.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxkit::docker {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using Socket = asio::local::stream_protocol::socket;

namespace {

constexpr std::size_t piece_size = 128 << 10;
constexpr std::chrono::minutes upload_limit{10}; // for one piece to be taken, and for the answer
constexpr const char* flat_repository = "sandboxkit-flat";

// A packer on a worker thread, and the socket that its archive comes out of.
struct Packing {
    Packing(Socket s, Operation<TreeSummary> o) : socket(std::move(s)), operation(std::move(o)) {}
    Socket socket;
    Operation<TreeSummary> operation;
    bool waited = false;
};

Task<TreeSummary> pack(async::Pool* pool, fs::path source, int fd) {
    auto work = [source, fd](std::stop_token) {
        auto sent = tree::send_tree(source, fd);
        ::close(fd);
        return sent;
    };
    auto sent = co_await async::blocking(*pool, std::move(work));
    co_return sent;
}

// How the packer ended. What is read of its socket ends it first.
Task<void> packed(std::shared_ptr<Packing> packing) {
    packing->waited = true;
    auto sent =
        co_await async_wait(packing->operation, asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
    if (!sent) co_return sent.error();
    co_return Result<void>{};
}

asio::awaitable<Result<std::string>> next_piece(std::shared_ptr<Packing> packing) {
    std::string piece(piece_size, '\0');
    boost::system::error_code error;
    const std::size_t n =
        co_await packing->socket.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    piece.resize(error ? 0 : n);
    if (!piece.empty()) co_return piece;
    // Read no further, as when it is cancelled: then the packer has to hear that nobody takes what it sends, or it never ends.
    boost::system::error_code ignored;
    if (error && error != asio::error::eof) packing->socket.close(ignored);
    // The archive has ended: regularly only if the packer says so.
    auto done = co_await packed(packing);
    if (!done) co_return done.error();
    co_return piece;
}

Task<void> put_archive(DaemonPtr daemon, std::string container, std::string path, net::HttpBodySource source) {
    EngineRequest put;
    put.what = "cannot put files at " + path + " of the image";
    put.method = "PUT";
    put.path = "/containers/" + container + "/archive";
    put.query = {{"path", path}};
    put.limit = upload_limit;
    auto done = co_await daemon->client.upload(std::move(put), std::move(source));
    if (!done) co_return done.error();
    co_return Result<void>{};
}

net::HttpBodySource whole(std::string bytes) {
    const auto left = std::make_shared<std::string>(std::move(bytes));
    return [left]() -> asio::awaitable<Result<std::string>> {
        std::string piece = std::exchange(*left, {});
        co_return piece;
    };
}

// Only what is missing: an entry for a directory would replace a link that leads to one.
Task<void> make_directories(DaemonPtr daemon, std::string container, fs::path target, mode_t mode) {
    fs::path existing = target;
    while (existing != "/") {
        auto status = co_await path_status(daemon, container, existing.string() + "/.");
        if (!status) co_return status.error();
        if (*status) break;
        existing = existing.parent_path();
    }
    if (existing == target) co_return Result<void>{};
    std::string tar, name;
    const fs::path missing = target.lexically_relative(existing);
    for (const auto& part : missing) {
        name += part.string() + "/";
        tree::TarEntry entry;
        entry.type = tree::TarEntry::Type::directory;
        entry.name = name;
        entry.mode = name == missing.string() + "/" ? mode : 0755;
        tree::append_tar_header(tar, entry);
    }
    tree::append_tar_end(tar);
    auto put = co_await put_archive(daemon, container, existing.string(), whole(std::move(tar)));
    co_return put;
}

} // namespace

Task<void> put_tree(DaemonPtr daemon, std::string container, ImageTree tree) {
    struct stat status {};
    if (::lstat(tree.source.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
        co_return Error{ErrorClass::invalid, "tree_refused", tree.source.string() + " is not a directory", "", "", {}};
    auto made = co_await make_directories(daemon, container, tree.target, status.st_mode & 07777);
    if (!made) co_return made;
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        co_return Error{ErrorClass::quota, "no_descriptors", "cannot make a socket", "", std::strerror(errno), {}};
    Socket socket(daemon->executor);
    boost::system::error_code error;
    socket.assign(asio::local::stream_protocol(), ends[1], error);
    if (error) {
        ::close(ends[0]);
        ::close(ends[1]);
        co_return Error{ErrorClass::internal, "exception", "cannot watch a socket", "", error.message(), {}};
    }
    auto operation = async::spawn(daemon->executor, pack(daemon->pool, tree.source, ends[0]));
    const auto packing = std::make_shared<Packing>(std::move(socket), std::move(operation));
    net::HttpBodySource source = [packing] { return next_piece(packing); };
    auto put = co_await put_archive(daemon, container, tree.target, std::move(source));
    packing->socket.close(error);
    if (!packing->waited) { // the packer's thread uses the tree, which is the caller's again after this
        static_cast<void>(co_await run_undisturbed(daemon->executor, packed(packing)));
    }
    co_return put;
}

namespace {

// What an import keeps of the image's own configuration: a container inherits it.
std::vector<std::string> changes_of(const ImageStatus& image) {
    std::vector<std::string> changes;
    for (const auto& [name, value] : own_labels("base")) changes.push_back("LABEL " + name + "=" + value);
    for (const auto& each : image.environment) {
        const auto equals = each.find('=');
        if (equals == std::string::npos || each.find('\n') != std::string::npos) continue; // no such line can be written
        std::string value;
        for (const char c : each.substr(equals + 1)) {
            if (c == '"' || c == '\\' || c == '$') value += '\\';
            value += c;
        }
        changes.push_back("ENV " + each.substr(0, equals) + "=\"" + value + "\"");
    }
    return changes;
}

Task<void> import_files(DaemonPtr daemon, std::string helper, std::string tag, std::vector<std::string> changes) {
    EngineRequest files;
    files.what = "cannot read the files of the image";
    files.path = "/containers/" + helper + "/export";
    auto stream = co_await daemon->client.stream(std::move(files));
    if (!stream) co_return stream.error();
    EngineRequest import;
    import.what = "cannot make an image without volumes";
    import.method = "POST";
    import.path = "/images/create";
    import.query = {{"fromSrc", "-"}, {"repo", flat_repository}, { "tag", tag }};
    for (auto& change : changes) import.query.emplace_back("changes", std::move(change));
    import.limit = upload_limit;
    const auto exported = std::make_shared<net::HttpStream>(std::move(*stream));
    net::HttpBodySource source = [exported] { return exported->read_some(std::chrono::minutes(5)); };
    auto imported = co_await daemon->client.follow(std::move(import), std::move(source), {});
    exported->close();
    if (!imported) co_return imported.error();
    co_return Result<void>{};
}

} // namespace

Task<ImageStatus> without_volumes(DaemonPtr daemon, ImageStatus image) {
    const std::string tag = image.id.substr(std::string_view("sha256:").size());
    const std::string name = std::string(flat_repository) + ":" + tag;
    auto known = co_await find_image(daemon, name);
    if (!known) co_return known.error();
    if (*known && is_ours((*known)->labels, "base")) co_return std::move(**known);
    auto helper = co_await create_helper(daemon, image.id, {}, {});
    if (!helper) co_return helper.error();
    auto imported = co_await import_files(daemon, *helper, tag, changes_of(image));
    auto removed = co_await run_undisturbed(daemon->executor, remove_container(daemon, *helper));
    if (!imported) co_return imported.error();
    if (!removed) co_return removed.error();
    known = co_await find_image(daemon, name);
    if (!known) co_return known.error();
    if (!*known) co_return protocol_error("the Docker daemon imported an image that is not there");
    co_return std::move(**known);
}

} // namespace sandboxkit::docker
