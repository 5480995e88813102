// SPDX-License-Identifier: Apache-2.0
// A child process that packs or unpacks a tree as a user of the sandbox: disks block, and this program does not. The archive
// goes through a pipe, and what becomes of it is reported through a second one.
#pragma once

#include "guest/accounts.hpp"
#include "guest/rpc_error.hpp"
#include "guest/spawn.hpp"
#include "guest/upload.hpp"
#include "tree/tree_packer.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sandboxkit::guest {

class TreeWorker {
public:
    static constexpr std::size_t limit = 16; // that work at once

    enum class Work : std::uint8_t { pack, unpack };

    // What the child says, each in one piece.
    struct Report {
        enum class Kind : std::uint8_t { begun, done, failed };
        Kind kind = Kind::failed;
        int error = 0; // as UploadFailure
        tree::TreeCount count;
        std::uint32_t length = 0;
        std::array<char, 2000> text{}; // the message of a failure

        [[nodiscard]] UploadFailure failure() const { return {error, std::string(text.data(), length)}; }
    };

    // `path` is absolute. Errors: resource_exhausted.
    [[nodiscard]] static Answer<std::shared_ptr<TreeWorker>> start(const boost::asio::any_io_executor& executor, Work work,
                                                                   const std::string& path, const Identity& user,
                                                                   const SpawnSettings& settings);
    explicit TreeWorker(const boost::asio::any_io_executor& executor);
    ~TreeWorker(); // kills it
    TreeWorker(const TreeWorker&) = delete;
    TreeWorker& operator=(const TreeWorker&) = delete;

    // This program's end of the pipe with the archive; it does not block.
    [[nodiscard]] boost::asio::posix::stream_descriptor& archive() { return archive_; }
    // Readable when there is a report, or none will follow.
    [[nodiscard]] boost::asio::posix::stream_descriptor& reports() { return reports_; }
    // Nothing when there is none yet. That the child ended without one is a failure, too.
    [[nodiscard]] std::optional<Report> next_report();
    // Ends it, and closes both pipes.
    void kill();

private:
    static std::size_t running_;

    boost::asio::posix::stream_descriptor archive_, reports_;
    pid_t pid_ = -1;
};

} // namespace sandboxkit::guest
