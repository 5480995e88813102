// SPDX-License-Identifier: Apache-2.0
// The suite finds what is wrong: each of these providers has one fault, and the case that is about it fails, which passes
// without the fault.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "conformance/forwarding_provider.hpp"
#include "conformance/subject.hpp"
#include "envd/client.hpp"

#include <boost/asio/this_coro.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>

#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace fs = std::filesystem;

namespace {

using Labels = std::map<std::string, std::string>;
using Inner = std::shared_ptr<Provider>;

Error wrong(ErrorClass kind) {
    return {kind, "a_fault", "a fault of this provider", "", "", {}};
}

struct IgnoresTokens : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> create(CreateRequest request) override {
        request.token += "-" + std::to_string(++count);
        return inner_->create(std::move(request));
    }
    std::atomic<int> count = 0;
};

struct RacesOnTokens : IgnoresTokens {
    using IgnoresTokens::IgnoresTokens;
    Task<SandboxInfo> create(CreateRequest request) override { // the first two are two
        if (count < 2) request.token += "-" + std::to_string(++count);
        return inner_->create(std::move(request));
    }
};

struct ForgetsLabels : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> create(CreateRequest request) override {
        std::erase_if(request.labels, [](const auto& each) { return !each.first.starts_with("sandboxkit"); });
        return inner_->create(std::move(request));
    }
};

struct ComparesBeginnings : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<std::vector<SandboxInfo>> list(Labels labels) override {
        auto some = labels;
        std::erase_if(some, [](const auto& each) { return !each.first.starts_with("sandboxkit"); });
        auto all = co_await inner_->list(std::move(some));
        if (!all) co_return all.error();
        std::erase_if(*all, [&](const SandboxInfo& info) {
            for (const auto& [name, value] : labels)
                if (!info.labels.contains(name) || !info.labels.at(name).starts_with(value)) return true;
            return false;
        });
        co_return std::move(*all);
    }
};

struct RunsAlways : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> inspect(std::string id) override {
        auto info = co_await inner_->inspect(std::move(id));
        if (info) info->state = SandboxState::running;
        co_return info;
    }
};

struct NeverStops : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<void> stop(std::string) override { co_return Result<void>{}; }
};

struct HidesHalfMade : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<std::vector<SandboxInfo>> list(Labels labels) override {
        auto all = co_await inner_->list(std::move(labels));
        if (all) std::erase_if(*all, [](const SandboxInfo& each) { return each.state != SandboxState::running; });
        co_return all;
    }
};

struct ListsTwice : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<std::vector<SandboxInfo>> list(Labels labels) override {
        auto all = co_await inner_->list(std::move(labels));
        if (all && !all->empty()) all->push_back(all->front());
        co_return all;
    }
};

struct DestroysAtTheSecondTime : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<void> destroy(std::string id) override {
        {
            std::lock_guard lock(mutex);
            if (asked.insert(id).second) co_return Result<void>{};
        }
        auto done = co_await inner_->destroy(std::move(id));
        co_return done;
    }
    std::mutex mutex;
    std::set<std::string> asked;
};

struct NotFoundIsInternal : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<void> start(std::string id) override {
        auto done = co_await inner_->start(std::move(id));
        if (!done && done.error().kind == ErrorClass::not_found) co_return wrong(ErrorClass::internal);
        co_return done;
    }
};

struct TakesEmptyTokens : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> create(CreateRequest request) override {
        if (request.token.empty()) request.token = "some";
        return inner_->create(std::move(request));
    }
};

struct NamesAllAlike : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> create(CreateRequest request) override {
        request.hostname = "localhost";
        return inner_->create(std::move(request));
    }
};

struct EnforcesNothing : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> create(CreateRequest request) override {
        request.limits = {64, 4ULL << 30, 4096, {}};
        return inner_->create(std::move(request));
    }
};

struct OpensAll : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> create(CreateRequest request) override {
        request.egress = Egress::open;
        return inner_->create(std::move(request));
    }
};

struct LocksNothing : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> create(CreateRequest request) override {
        request.read_only_paths.clear();
        return inner_->create(std::move(request));
    }
};

struct AnswersFromTheFirst : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<Endpoint> endpoint(std::string id) override {
        {
            std::lock_guard lock(mutex);
            if (first.empty())
                first = id;
            else
                id = first;
        }
        auto found = co_await inner_->endpoint(std::move(id));
        co_return found;
    }
    std::mutex mutex;
    std::string first;
};

struct BelievesAnyDigest : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<ImageInfo> prepare_image(ImageRequest request) override {
        request.digest.reset();
        return inner_->prepare_image(std::move(request));
    }
};

struct LosesTrees : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<ImageInfo> prepare_image(ImageRequest request) override {
        request.trees.clear();
        return inner_->prepare_image(std::move(request));
    }
};

struct RemovesImagesInUse : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<void> remove_image(std::string id) override {
        auto done = co_await inner_->remove_image(std::move(id));
        if (!done && done.error().kind == ErrorClass::conflict) co_return Result<void>{};
        co_return done;
    }
};

// Does something to the files of a sandbox before it is captured.
struct SpoilsCaptures : ForwardingProvider {
    SpoilsCaptures(Inner inner, std::string s) : ForwardingProvider(std::move(inner)), script(std::move(s)) {}
    Task<CaptureResult> capture(std::string id, Labels labels) override {
        auto endpoint = co_await inner_->endpoint(id);
        if (endpoint) {
            auto client = envd::Client::make(co_await boost::asio::this_coro::executor, std::move(*endpoint));
            ExecRequest request;
            request.argv = {"/bin/sh", "-c", script};
            auto stream = co_await client->start(std::move(request));
            if (!stream) co_return stream.error();
            for (;;) {
                auto event = co_await (*stream)->next();
                if (!event) co_return event.error();
                if (event->end) break;
            }
        }
        auto captured = co_await inner_->capture(std::move(id), std::move(labels));
        co_return captured;
    }
    std::string script;
};

struct CapturesWithoutLabels : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<CaptureResult> capture(std::string id, Labels labels) override {
        std::erase_if(labels, [](const auto& each) { return !each.first.starts_with("sandboxkit"); });
        return inner_->capture(std::move(id), std::move(labels));
    }
};

struct CallsCancellationUnavailable : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<void> start(std::string id) override {
        auto done = co_await inner_->start(std::move(id));
        if (!done && done.error().kind == ErrorClass::cancelled) co_return wrong(ErrorClass::unavailable);
        co_return done;
    }
};

// Says that it was cancelled, and leaves the image that it made.
struct LeavesThingsWhenCancelled : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<CaptureResult> capture(std::string id, Labels labels) override {
        auto captured = co_await inner_->capture(std::move(id), std::move(labels));
        if (captured) co_return wrong(ErrorClass::cancelled);
        co_return captured;
    }
};

struct HoldsTen : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> create(CreateRequest request) override {
        if (++count > 10) co_return wrong(ErrorClass::quota);
        auto made = co_await inner_->create(std::move(request));
        co_return made;
    }
    std::atomic<int> count = 0;
};

struct PretendsVolumes : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<VolumeInfo> ensure_volume(std::string token, Labels labels) override {
        co_return VolumeInfo{std::move(token), std::move(labels)};
    }
};

struct Throws : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> inspect(std::string) override {
        throw std::runtime_error("thrown");
        co_return SandboxInfo{};
    }
};

// Something stands behind it that can be away.
struct Interruptible : ForwardingProvider {
    using ForwardingProvider::ForwardingProvider;
    Task<SandboxInfo> create(CreateRequest request) override {
        if (away) co_return wrong(when_away);
        if (lives > 0 && forgets) request.token += "-" + std::to_string(lives);
        auto made = co_await inner_->create(std::move(request));
        co_return made;
    }
    Task<void> destroy(std::string id) override {
        if (away) co_return wrong(when_away);
        auto done = co_await inner_->destroy(std::move(id));
        co_return done;
    }
    Task<SandboxInfo> inspect(std::string id) override {
        if (away) co_return wrong(when_away);
        auto info = co_await inner_->inspect(std::move(id));
        co_return info;
    }
    Task<std::vector<SandboxInfo>> list(Labels labels) override {
        if (away) co_return wrong(when_away);
        auto all = co_await inner_->list(std::move(labels));
        co_return all;
    }
    Task<std::vector<ImageInfo>> list_images() override {
        if (away) co_return wrong(when_away);
        auto all = co_await inner_->list_images();
        co_return all;
    }
    std::atomic<bool> away = false;
    std::atomic<int> lives = 0;
    ErrorClass when_away = ErrorClass::unavailable;
    bool forgets = false;
};

class Bench {
public:
    Bench() {
        std::string pattern = "/var/tmp/sandboxkit-conformance-XXXXXX";
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        directory_ = pattern;
        std::string why;
        archive_ = make_base_archive(directory_, why);
        REQUIRE_MESSAGE(!archive_.empty(), why);
        fs::create_directories(directory_ / "provider");
        subject_ = make_local_subject(directory_ / "provider", why);
        REQUIRE_MESSAGE(subject_ != nullptr, why);
    }
    ~Bench() {
        subject_.reset();
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
    }
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    [[nodiscard]] Inner good() const { return subject_->provider(); }

    ConformanceOptions options(std::vector<std::string> only) {
        ConformanceOptions options;
        options.image = "archive:" + archive_.string();
        options.probe = SANDBOXKIT_PROBE_PROGRAM;
        options.only = std::move(only);
        options.scratch = directory_ / "scratch";
        fs::remove_all(options.scratch);
        fs::create_directory(options.scratch);
        return options;
    }

    ConformanceResult run(Inner provider, const std::string& name, const std::shared_ptr<Interruptible>& interruptible = {}) {
        auto given = options({name});
        if (interruptible) {
            given.interrupt = [interruptible] { interruptible->away = true; };
            given.restore = [interruptible] {
                ++interruptible->lives;
                interruptible->away = false;
            };
        }
        auto results = check_provider(std::move(provider), given).get();
        REQUIRE(results.has_value());
        REQUIRE(results->size() == 1);
        return results->front();
    }

    void check_empty() {
        auto left = check_provider(good(), options({"clean"})).get();
        REQUIRE(left.has_value());
        CHECK(left->front().verdict == ConformanceVerdict::passed);
    }

private:
    fs::path directory_, archive_;
    std::unique_ptr<Subject> subject_;
};

} // namespace

TEST_CASE("each fault is found by the case that is about it") {
    Bench bench;
    struct Fault {
        std::string name, found_by;
        std::function<Inner(Inner)> make;
    };
    const auto of = []<class T>(T*) { return [](Inner inner) -> Inner { return std::make_shared<T>(std::move(inner)); }; };
#define FAULT(type, found_by)                                                                                                    \
    { #type, found_by, of(static_cast <type*>(nullptr)) }
    const auto spoils = [](const char* script) {
        return [script](Inner inner) -> Inner { return std::make_shared<SpoilsCaptures>(std::move(inner), script); };
    };
    const std::vector<Fault> faults{
        FAULT(IgnoresTokens, "idempotency/same_token_twice"),
        FAULT(RacesOnTokens, "idempotency/same_token_at_once"),
        FAULT(ForgetsLabels, "lifecycle/odd_labels"),
        FAULT(ForgetsLabels, "lifecycle/labels_filter"),
        FAULT(ComparesBeginnings, "lifecycle/labels_filter"),
        FAULT(RunsAlways, "lifecycle/a_life"),
        FAULT(NeverStops, "lifecycle/stop_and_start"),
        FAULT(HidesHalfMade, "lifecycle/half_made_ones_are_listed"),
        FAULT(ListsTwice, "lifecycle/half_made_ones_are_listed"),
        FAULT(DestroysAtTheSecondTime, "lifecycle/a_life"),
        FAULT(NotFoundIsInternal, "lifecycle/unknown_ids"),
        FAULT(TakesEmptyTokens, "lifecycle/refused_requests"),
        FAULT(NamesAllAlike, "lifecycle/host_name"),
        FAULT(Throws, "lifecycle/a_life"),
        FAULT(EnforcesNothing, "limits/memory"),
        FAULT(EnforcesNothing, "limits/processes"),
        FAULT(EnforcesNothing, "limits/cpu"),
        FAULT(OpensAll, "network/none_is_loopback_only"),
        FAULT(LocksNothing, "read_only_paths/hold"),
        FAULT(AnswersFromTheFirst, "isolation/between_files"),
        FAULT(AnswersFromTheFirst, "isolation/between_processes"),
        FAULT(AnswersFromTheFirst, "isolation/between_abstract_sockets"),
        FAULT(AnswersFromTheFirst, "isolation/between_ipc"),
        FAULT(AnswersFromTheFirst, "images/two_sandboxes"),
        FAULT(AnswersFromTheFirst, "concurrency/twenty_sandboxes"),
        FAULT(BelievesAnyDigest, "images/digest_mismatch"),
        FAULT(LosesTrees, "images/tree_at_a_new_path"),
        FAULT(RemovesImagesInUse, "images/in_use"),
        {"drops modes", "capture/modes", spoils("chmod -R 755 /root/t")},
        {"drops owners", "capture/owners", spoils("chown -R 0:0 /root/t")},
        {"drops times", "capture/times", spoils("find /root/t -exec touch {} ';'")},
        {"copies links", "capture/links", spoils("cd /root/t && rm b && cp a b")},
        {"fills holes", "capture/sparse", spoils("dd if=/dev/zero of=/root/holes bs=1M count=64 conv=notrunc")},
        {"drops odd names", "capture/odd_names", spoils("rm -f \"/root/t/$(printf 'byte\\377')\"")},
        {"brings back what was deleted", "capture/deletions", spoils("echo x > /etc/passwd")},
        {"brings back what was replaced", "capture/replaced", spoils("echo x > /srv/t/opaque/old")},
        {"cuts deep trees", "capture/deep", spoils("rm -rf /root/d1/d2/d3")},
        {"damages large files", "capture/large", spoils("printf x | dd of=/root/large bs=1 seek=40000000 conv=notrunc")},
        {"drops /tmp", "capture/temporary_files", spoils("rm -rf /tmp/kept")},
        FAULT(CapturesWithoutLabels, "capture/a_life"),
        FAULT(CallsCancellationUnavailable, "cancellation/starting"),
        FAULT(LeavesThingsWhenCancelled, "cancellation/capturing"),
        FAULT(HoldsTen, "concurrency/twenty_sandboxes"),
        FAULT(PretendsVolumes, "volumes/refused_without_them"),
    };
#undef FAULT
    std::set<std::string> good;
    for (const auto& fault : faults) {
        CAPTURE(fault.name);
        CAPTURE(fault.found_by);
        if (good.insert(fault.found_by).second) {
            const auto passed = bench.run(bench.good(), fault.found_by);
            CHECK_MESSAGE(passed.verdict == ConformanceVerdict::passed, passed.message);
        }
        const auto failed = bench.run(fault.make(bench.good()), fault.found_by);
        CHECK_MESSAGE(failed.verdict == ConformanceVerdict::failed, to_string(failed.verdict), failed.message);
        CHECK((failed.verdict != ConformanceVerdict::failed || !failed.message.empty()));
    }
    bench.check_empty();
}

TEST_CASE("what happens while the backend is away is looked at") {
    Bench bench;
    const auto run = [&](const char* name, ErrorClass kind, bool forgets) {
        auto provider = std::make_shared<Interruptible>(bench.good());
        provider->when_away = kind;
        provider->forgets = forgets;
        return bench.run(provider, name, provider).verdict;
    };
    for (const char* name : {"interruption/while_it_is_away", "interruption/a_token_finds_its_sandbox"})
        CHECK(run(name, ErrorClass::unavailable, false) == ConformanceVerdict::passed);
    CHECK(run("interruption/while_it_is_away", ErrorClass::internal, false) == ConformanceVerdict::failed);
    CHECK(run("interruption/a_token_finds_its_sandbox", ErrorClass::unavailable, true) == ConformanceVerdict::failed);
    CHECK(bench.run(bench.good(), "interruption/while_it_is_away").verdict == ConformanceVerdict::skipped);
}

TEST_CASE("the suite is cancelled and leaves nothing") {
    Bench bench;
    auto options = bench.options({});
    std::optional<Operation<std::vector<ConformanceResult>>> running;
    std::mutex mutex;
    options.on_result = [&](const ConformanceResult& result) {
        std::lock_guard lock(mutex);
        if (result.name == "start_twice") running->cancel();
    };
    {
        std::lock_guard lock(mutex);
        running.emplace(check_provider(bench.good(), options));
    }
    const auto ended = running->get();
    REQUIRE(ended.has_error());
    CHECK(ended.error().kind == ErrorClass::cancelled);
    CHECK(fs::is_empty(options.scratch));
    bench.check_empty();
}

TEST_CASE("options that cannot be are refused") {
    Bench bench;
    const auto code = [&](const ConformanceOptions& options) {
        auto ended = check_provider(bench.good(), options).get();
        return ended ? std::string("success") : ended.error().code;
    };
    CHECK(code(bench.options({"no such case"})) == "conformance_case_not_found");
    auto options = bench.options({});
    options.image.clear();
    CHECK(code(options) == "conformance_options");
    options = bench.options({});
    options.interrupt = [] {};
    CHECK(code(options) == "conformance_options");
    options = bench.options({});
    options.scratch = "/no/such/directory";
    CHECK(code(options) == "conformance_options");
    CHECK(check_provider(nullptr, bench.options({})).get().error().code == "conformance_options");
}

TEST_CASE("cases have names of their own, and say what they are about") {
    std::set<std::string> names;
    for (const auto& each : conformance_cases()) {
        CHECK(names.insert(each.group + "/" + each.name).second);
        CHECK(!each.about.empty());
    }
    CHECK(names.size() > 100);
    CHECK(conformance_cases().back().group == "clean");
}

int main(int count, char** arguments) {
    if (::geteuid() != 0) {
        std::printf("SKIPPED: root privileges are needed\n");
        return 77;
    }
    doctest::Context context(count, arguments);
    return context.run();
}
