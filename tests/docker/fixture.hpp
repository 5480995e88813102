// SPDX-License-Identifier: Apache-2.0
// A Docker daemon of these tests' own, and providers on it, called synchronously, that leave nothing behind.
#pragma once

#include "providers/docker/docker_provider.hpp"

#include "async/blocking.hpp"
#include "async/spawn.hpp"
#include "net/scripted_peer.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sandboxkit::test {

void report_error(const Error& error);

// Whether it succeeded; says why not.
template <class T>
bool succeeded(const Result<T>& result) {
    if (!result) report_error(result.error());
    return result.has_value();
}

// A command of this machine. Its output and error output together.
struct CommandResult {
    int code = -1;
    std::string text;
};
CommandResult command(const std::vector<std::string>& arguments);
[[nodiscard]] bool have_program(const std::string& name);

// The daemon of this program, started on first use and ended with the program, or the one that SANDBOXKIT_TEST_DOCKER_HOST names.
class PrivateDaemon {
public:
    PrivateDaemon() = default;
    PrivateDaemon(const PrivateDaemon&) = delete;
    PrivateDaemon& operator=(const PrivateDaemon&) = delete;
    ~PrivateDaemon();

    // Empty: it runs. Else why it cannot on this machine.
    std::string start(std::vector<std::string> options = {});
    void stop();
    // Ended and started anew on the same data.
    void restart();
    [[nodiscard]] const std::string& host() const { return host_; } // as DOCKER_HOST
    [[nodiscard]] std::filesystem::path socket() const { return host_.substr(std::string("unix://").size()); }
    [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
    // The docker command on this daemon.
    [[nodiscard]] CommandResult docker(std::vector<std::string> arguments) const;

private:
    std::filesystem::path directory_;
    std::string host_;
    std::vector<std::string> options_;
    bool started_ = false;
};
PrivateDaemon& private_daemon();

// "SKIPPED: <reason>" and 77 when this host lacks what every test here needs. 0: go on.
int check_host();

struct Output {
    int code = -1; // 128 + n: killed by signal n
    std::string text;
};

class DockerFixture {
public:
    // An endpoint that is empty is the daemon's own socket.
    explicit DockerFixture(docker::DockerOptions options = {}, const PrivateDaemon& daemon = private_daemon());
    DockerFixture(const DockerFixture&) = delete;
    DockerFixture& operator=(const DockerFixture&) = delete;
    // Destroys every sandbox, image and volume that it made.
    ~DockerFixture();

    [[nodiscard]] Provider& provider() const { return *provider_; }
    // Another provider with the same state directory, as another process would have. Empty: as it was.
    void reopen(const std::string& endpoint = {});
    template <class T>
    Result<T> wait(Task<T> task) {
        return async::spawn(caller_.get_executor(), std::move(task)).get();
    }
    template <class T>
    Operation<T> start_operation(Task<T> task) {
        return async::spawn(caller_.get_executor(), std::move(task));
    }

    // An image with busybox, made from an archive.
    std::string image();
    std::filesystem::path archive();
    CreateRequest request(const std::string& token, Egress egress = Egress::none);
    std::string start(const CreateRequest& request); // created and started; fails the test otherwise
    Output exec(const std::string& sandbox, const std::vector<std::string>& arguments);
    Output shell(const std::string& sandbox, const std::string& script) { return exec(sandbox, {"/bin/sh", "-c", script}); }

    [[nodiscard]] const std::filesystem::path& directory() const { return directory_.path(); }
    [[nodiscard]] std::filesystem::path state() const { return directory_.path() / "state"; }
    [[nodiscard]] const std::map<std::string, std::string>& labels() const { return labels_; }

    static std::filesystem::path guest_program();

private:
    // Each a context with a thread of its own.
    struct Loop {
        boost::asio::io_context context{1};
        boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{context.get_executor()};
        std::thread thread{[this] { context.run(); }};
        ~Loop() {
            work.reset();
            context.stop();
            thread.join();
        }
        boost::asio::any_io_executor get_executor() { return context.get_executor(); }
    };
    const PrivateDaemon& daemon_;
    TemporaryDirectory directory_;
    async::Pool pool_{4};
    Loop io_, caller_;
    docker::DockerOptions options_;
    std::shared_ptr<Provider> provider_;
    std::map<std::string, std::string> labels_;
    std::string image_;
};

} // namespace sandboxkit::test
