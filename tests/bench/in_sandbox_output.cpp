// SPDX-License-Identifier: Apache-2.0
#include "bench/in_sandbox.hpp"

#include "bench/baselines.hpp"
#include "bench/figures.hpp"

#include "envd/client.hpp"
#include "envd/process_events.hpp"
#include "envd/requests.hpp"
#include "net/http_client.hpp"
#include "net/loop.hpp"
#include "net/unix_path.hpp"
#include "tree/file_descriptor.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <string>

namespace sandboxkit::bench {

namespace {

constexpr std::uint64_t write_size = 64 << 10;

std::vector<std::string> writer(std::uint64_t bytes) {
    return {"dd", "if=/dev/zero", "bs=" + std::to_string(write_size), "count=" + std::to_string(bytes / write_size),
            "status=none"};
}

void check(std::uint64_t received, std::uint64_t bytes) {
    if (received != bytes) throw std::runtime_error(std::to_string(received) + " bytes came, not " + std::to_string(bytes));
}

// The client always asks for raw frames; without, it is any client of the public wire.
net::HttpRequest request_of(const ExecRequest& command, bool raw) {
    auto request = must(envd::start_request(command, ""));
    if (!raw) std::erase_if(request.headers, [](const auto& header) { return header.first == "Sandboxkit-Frames"; });
    return request;
}

// The bytes of the wire, looked at by nobody: what the guest can give.
void drain(const Endpoint& endpoint, const net::HttpRequest& request, std::uint64_t bytes) {
    const auto failed = [](const char* what) { throw std::runtime_error(std::string(what) + ": " + std::strerror(errno)); };
    const tree::FileDescriptor socket(net::connect_unix_path(endpoint.unix_socket));
    if (!socket || ::fcntl(socket.get(), F_SETFL, 0) != 0) failed("connect"); // reads wait
    const std::string text = must(net::encode_request_head(request, "localhost")) + request.body;
    if (::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) failed("send");
    ::shutdown(socket.get(), SHUT_WR); // the guest closes the connection after its answer, as nothing more can come
    static std::array<char, 64 << 10> buffer;
    std::uint64_t total = 0;
    for (ssize_t n = 0; (n = ::recv(socket.get(), buffer.data(), buffer.size(), 0)) > 0;) total += static_cast<std::uint64_t>(n);
    if (total < bytes) throw std::runtime_error("less came than was written");
}

Task<std::uint64_t> count_plain(net::HttpClient& http, net::HttpRequest request) {
    auto stream = co_await http.stream(std::move(request));
    if (!stream) co_return stream.error();
    envd::ProcessEventDecoder decoder({"Start"});
    for (std::uint64_t total = 0;;) {
        auto item = decoder.next();
        if (!item) co_return item.error();
        if (!*item) {
            auto bytes = co_await stream->read_some(envd::ClientLimits().silence);
            if (!bytes) co_return bytes.error();
            if (bytes->empty()) co_return decoder.truncated();
            decoder.feed(*bytes);
        } else if (const auto* event = std::get_if<ProcessEvent>(&**item)) {
            if (event->end) co_return total;
            total += event->bytes.size();
        }
    }
}

Task<std::uint64_t> count_raw(std::shared_ptr<envd::Client> client, ExecRequest command) {
    auto process = co_await client->start(std::move(command));
    if (!process) co_return process.error();
    for (std::uint64_t total = 0;;) {
        auto event = co_await (*process)->next();
        if (!event) co_return event.error();
        if (event->end) co_return total;
        total += event->bytes.size();
    }
}

// Of a process's resident memory, since this was made.
class PeakGrowth {
public:
    explicit PeakGrowth(pid_t pid) : directory_("/proc/" + std::to_string(pid)) {
        std::ofstream(directory_ / "clear_refs") << "5"; // the peak is what is there now
        before_ = kib("VmRSS:");
    }
    [[nodiscard]] double mib() const { return (kib("VmHWM:") - before_) / 1024; }

private:
    [[nodiscard]] double kib(std::string_view name) const {
        std::ifstream status(directory_ / "status");
        for (std::string word; status >> word;)
            if (word == name && status >> word) return std::stod(word);
        throw std::runtime_error("no " + std::string(name) + " in " + directory_.string());
    }
    std::filesystem::path directory_;
    double before_ = 0;
};

} // namespace

void bench_output(const BenchSession& session, std::uint64_t bytes, int samples) {
    const auto argv = writer(bytes);
    ExecRequest command;
    command.argv = argv;
    const auto plain = request_of(command, false), raw = request_of(command, true);
    net::HttpTarget target;
    target.unix_socket = session.endpoint.unix_socket;
    test::Loop loop;
    net::HttpClient http(loop.executor(), target);
    const auto client = envd::Client::make(loop.executor(), session.endpoint);
    pid_t guest = 0;
    std::ifstream(session.endpoint.unix_socket.parent_path() / "pid") >> guest; // the local provider's

    struct Measure {
        const char* what;
        std::function<void()> run;
        const char* aim;
        Samples samples{};
        double guest_grew = 0, we_grew = 0; // MiB
    };
    Measure measures[] = {
        {"a pipe of posix_spawn", [&] { check(spawn_and_read(argv), bytes); }, "-"},
        {"plain wire, not decoded", [&] { drain(session.endpoint, plain, bytes); }, "-"},
        {"plain wire, as the client decodes it", [&] { check(must(loop.run(count_plain(http, plain))), bytes); }, "300"},
        {"raw frames, not decoded", [&] { drain(session.endpoint, raw, bytes); }, "-"},
        {"raw frames, by the client", [&] { check(must(loop.run(count_raw(client, command))), bytes); }, "1000"},
    };
    for (int i = 0; i < samples; ++i) {
        for (auto& measure : measures) {
            const PeakGrowth guest_growth(guest), our_growth(::getpid());
            measure.samples.add(timed(measure.run));
            measure.guest_grew = std::max(measure.guest_grew, guest_growth.mib());
            measure.we_grew = std::max(measure.we_grew, our_growth.mib());
        }
    }
    std::printf("%.0f MiB of standard output of one process\n", static_cast<double>(bytes) / (1 << 20));
    for (const auto& measure : measures) {
        rate(measure.what, measure.samples, bytes, measure.aim);
        std::printf("    %.2f of the pipe's rate; peak of memory: the guest's grew by %.1f MiB, ours by %.1f MiB\n",
                    measures[0].samples.percentile(0.5) / measure.samples.percentile(0.5), measure.guest_grew, measure.we_grew);
    }
}

} // namespace sandboxkit::bench
