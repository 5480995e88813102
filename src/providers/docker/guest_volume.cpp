// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/guest_volume.hpp"

#include "providers/docker/operation.hpp"
#include "providers/docker/volumes.hpp"

#include "tree/tar_writer.hpp"

#include <sandboxkit/digest.hpp>

#include <fstream>
#include <iterator>

namespace sandboxkit::docker {

namespace {

constexpr const char* place = "/sandboxkit-guest"; // where the helper has it
constexpr std::size_t piece_size = 256 << 10;

Result<std::string> read_guest(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (!file.good() && !file.eof()) bytes.clear();
    if (bytes.empty())
        return Error{
            ErrorClass::not_found, "guest_not_found", "the guest program " + path.string() + " cannot be read", "", "", {}};
    return bytes;
}

void append_file(std::string& tar, const std::string& name, std::string_view content, mode_t mode) {
    tree::TarEntry entry;
    entry.name = name;
    entry.mode = mode;
    entry.size = content.size();
    tree::append_tar_header(tar, entry);
    tar += content;
    tar.append(tree::tar_padding(content.size()), '\0');
}

net::HttpBodySource pieces_of(std::string bytes) {
    const auto left = std::make_shared<std::string>(std::move(bytes));
    const auto at = std::make_shared<std::size_t>(0);
    return [left, at]() -> boost::asio::awaitable<Result<std::string>> {
        std::string piece = left->substr(*at, piece_size);
        *at += piece.size();
        co_return piece;
    };
}

// The mark comes last: a volume without it was not filled to the end.
Task<void> fill(DaemonPtr daemon, std::string helper, std::string guest) {
    const std::string mark = std::string(place) + "/complete";
    auto there = co_await path_status(daemon, helper, mark);
    if (!there) co_return there.error();
    if (*there) co_return Result<void>{};
    std::string tar;
    append_file(tar, "guest", guest, 0755);
    append_file(tar, "complete", {}, 0444);
    tree::append_tar_end(tar);
    EngineRequest put;
    put.what = "cannot put the guest program into a volume";
    put.method = "PUT";
    put.path = "/containers/" + helper + "/archive";
    put.query = {{"path", place}};
    auto done = co_await daemon->client.upload(std::move(put), pieces_of(std::move(tar)));
    if (!done) co_return done.error();
    co_return Result<void>{};
}

} // namespace

Task<std::string> guest_volume(DaemonPtr daemon, std::string image) {
    if (!daemon->guest_volume.empty()) co_return daemon->guest_volume;
    auto work = [path = daemon->guest](std::stop_token) { return read_guest(path); };
    auto guest = co_await async::blocking(*daemon->pool, std::move(work));
    if (!guest) co_return guest.error();
    const std::string name = "sandboxkit-guest-" + sha256_hex(*guest).substr(0, 20);
    auto volume = co_await create_volume(daemon, name, own_labels("guest"));
    if (!volume) co_return volume.error();
    if (!is_ours(volume->labels, "guest"))
        co_return Error{
            ErrorClass::conflict, "docker_volume_foreign", "the volume " + name + " is not ours", "remove it", "", {}};
    auto helper = co_await create_helper(daemon, image, name, place);
    if (!helper) co_return helper.error();
    auto filled = co_await fill(daemon, *helper, std::move(*guest));
    auto removed = co_await run_undisturbed(daemon->executor, remove_container(daemon, *helper));
    if (!filled) co_return filled.error();
    if (!removed) co_return removed.error();
    daemon->guest_volume = name;
    co_return name;
}

} // namespace sandboxkit::docker
