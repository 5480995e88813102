// SPDX-License-Identifier: Apache-2.0
#include "bench/in_sandbox.hpp"

#include "bench/figures.hpp"

#include "envd/client.hpp"
#include "net/loop.hpp"

#include <array>
#include <csignal>
#include <string>

namespace sandboxkit::bench {

namespace {

constexpr std::array steps{"start", "list", "find by tag", "end, by signal, and be told"};

std::string tag_of(int number) {
    return "bench-" + std::to_string(number);
}

Task<void> find_and_end(std::shared_ptr<envd::Client> client, std::string tag) {
    auto process = co_await client->connect(envd::ProcessSelector(0, std::move(tag)));
    if (!process) co_return process.error();
    auto sent = co_await client->send_signal((*process)->pid(), SIGKILL);
    if (!sent) co_return sent;
    for (;;) {
        auto event = co_await (*process)->next();
        if (!event) co_return event.error();
        if (event->end) co_return Result<void>{};
    }
}

// Of one process, at each step, while there are `count`.
std::array<Milliseconds, steps.size()> times_of_one(const Endpoint& endpoint, int count) {
    test::Loop loop;
    const auto client = envd::Client::make(loop.executor(), endpoint);
    ExecRequest command;
    command.argv = {"sleep", "1000"};
    const auto each = [&](auto work) {
        return timed([&] {
            for (int i = 0; i < count; ++i) work(i);
        });
    };
    std::array<Milliseconds, steps.size()> took{};
    took[0] = each([&](int i) { must(loop.run(client->start(command, tag_of(i)))); });
    took[1] = timed([&] {
        if (must(loop.run(client->list())).size() != static_cast<std::size_t>(count))
            throw std::runtime_error("other processes are listed than were started");
    });
    took[2] = each([&](int i) { must(loop.run(client->connect(envd::ProcessSelector(0, tag_of(i))))); });
    took[3] = each([&](int i) { must(loop.run(find_and_end(client, tag_of(i)))); });
    for (auto& time : took) time /= count;
    return took;
}

} // namespace

void bench_processes(const BenchSession& session, int few, int many, int samples) {
    std::array<Samples, steps.size()> of_few, of_many;
    for (int i = -1; i < samples; ++i) {
        const auto a = times_of_one(session.endpoint, few), b = times_of_one(session.endpoint, many);
        for (std::size_t step = 0; i >= 0 && step < steps.size(); ++step) of_few[step].add(a[step]), of_many[step].add(b[step]);
    }
    std::printf("one background process among %d, and among %d\n", few, many);
    for (std::size_t step = 0; step < steps.size(); ++step) {
        const double little = of_few[step].percentile(0.5), much = of_many[step].percentile(0.5);
        std::printf("  %-30s %8.4f ms %8.4f ms   ratio %5.2f      aim: near 1\n", steps[step], little, much, much / little);
    }
}

} // namespace sandboxkit::bench
