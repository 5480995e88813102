// SPDX-License-Identifier: Apache-2.0
// The engine asks its host application for the credentials of clones. A real Git server, and a provider in memory.
#define DOCTEST_CONFIG_IMPLEMENT
#include "credentials/canary.hpp"
#include "engine/memory_provider.hpp"
#include "git/fixture.hpp"

#include <sandboxkit/credentials.hpp>

#include <cstdio>
#include <stdexcept>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace git_test = sandboxkit::git::test;
namespace json = boost::json;

namespace {

const std::string secret = "canary-7f3e9a-is-a-secret";

class Source final : public CredentialSource {
public:
    std::function<Result<std::optional<Credential>>()> answer = [] {
        Credential credential("me", secret);
        credential.expires = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);
        return std::optional<Credential>(credential);
    };
    std::function<Result<void>()> taken_back = [] { return Result<void>{}; };
    struct Released {
        CredentialRequest request;
        std::string secret;
        CredentialUse use;
    };
    std::vector<Released> released() {
        std::lock_guard lock(mutex_);
        return released_;
    }
    std::vector<CredentialRequest> requests() {
        std::lock_guard lock(mutex_);
        return requests_;
    }
    Result<std::optional<Credential>> credential(const CredentialRequest& request) override {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
        return answer();
    }
    Result<void> release(const CredentialRequest& request, const Credential& credential, CredentialUse use) override {
        std::lock_guard lock(mutex_);
        released_.push_back({request, credential.secret, use});
        return taken_back();
    }

private:
    std::mutex mutex_;
    std::vector<Released> released_;
    std::vector<CredentialRequest> requests_;
};

struct Fixture {
    TempDir dir;
    std::shared_ptr<MemoryProvider> provider = std::make_shared<MemoryProvider>();
    std::shared_ptr<Source> source = std::make_shared<Source>();
    git_test::HttpServer http;
    std::mutex mutex;
    std::string log; // every line, whole
    std::optional<Engine> engine;

    Fixture() : http(root()) {
        EngineOptions options = options_with(dir.path(), provider);
        options.credentials = source;
        options.log = [this](const LogLine& line) {
            std::lock_guard lock(mutex);
            log += line.event + line.message;
            for (const auto& [name, value] : line.fields) log += name + value;
        };
        engine.emplace(must(Engine::open(std::move(options))));
    }
    // With a private repository and a public one.
    fs::path root() {
        git_test::make_repository(dir.path() / "git/app.git");
        git_test::write_file(dir.path() / "git/login", "me:" + secret);
        return dir.path() / "git";
    }
    ProfileInfo profile() {
        return must(engine->create_profile(
            tester, document({{"provider", "memory"},
                              {"repositories",
                               {{{"identifier", "open"}, {"url", http.url("/app.git")}},
                                {{"identifier", "closed"}, {"url", http.url("/private/app.git")}, {"role", "context"}}}}})));
    }
    // What the activity log has of credentials, newest first: who, and what.
    std::vector<ActivityEntry> uses(const std::string& profile_id) {
        std::vector<ActivityEntry> found;
        for (auto& entry : must(engine->activity(tester, profile_id)))
            if (entry.action == "credential.use") found.push_back(std::move(entry));
        return found;
    }
    // Nothing that is kept knows it: the store, the mirrors, the checkouts that the provider took, the log.
    void check_holds_no_secret() {
        engine.reset();
        for (const auto& entry : fs::recursive_directory_iterator(dir.path())) {
            if (entry.path().string().starts_with((dir.path() / "git").string()) || !entry.is_regular_file()) continue;
            CAPTURE(entry.path().string());
            CHECK_FALSE(holds(git_test::read_file(entry.path()), secret));
        }
        CHECK(log.find("job.") != std::string::npos);
        CHECK_FALSE(holds(log, secret));
    }
};

} // namespace

int main(int argc, char** argv) {
    for (const auto* program : {"git", "python3"}) {
        if (git_test::have(program)) continue;
        std::printf("SKIPPED: %s is not installed\n", program);
        return 77;
    }
    return doctest::Context(argc, argv).run();
}

TEST_CASE("the host application is asked for what the server asks for, and told what it is for") {
    Fixture f;
    const auto profile = f.profile();
    const auto job = publish_and_build(*f.engine, profile.id);
    CHECK(job.state == JobState::succeeded);
    const auto requests = f.source->requests();
    REQUIRE(requests.size() == 1); // not for the public one
    CHECK(requests[0] == CredentialRequest{CredentialPurpose::clone, f.http.url("/private/app.git"), std::nullopt, profile.id, 1,
                                           "closed", RepositoryRole::context, job.id});
    CHECK(to_string(requests[0].purpose) == "clone");
    CHECK(must(f.engine->job_log(tester, job.id)).find(secret) == std::string::npos);

    // It is given back, and the activity log has what it was for.
    const auto released = f.source->released();
    REQUIRE(released.size() == 1);
    CHECK(released[0].request == requests[0]);
    CHECK(released[0].secret == secret);
    CHECK(released[0].use.over);
    CHECK_FALSE(released[0].use.refused);
    const auto uses = f.uses(profile.id);
    REQUIRE(uses.size() == 1);
    CHECK(uses[0].principal == tester.id);
    const std::string host = f.http.url("").substr(std::string("http://").size());
    CHECK(json::parse(uses[0].detail) == json::value{{"job", job.id},
                                                     {"version", 1},
                                                     {"purpose", "clone"},
                                                     {"given", true},
                                                     {"host", host},
                                                     {"repository", "closed"},
                                                     {"expires", "2030-01-01T00:00:00.000Z"}});

    // The mirror is there now, and asks no less.
    must(f.engine->refresh_snapshot(tester, profile.id, 1));
    const auto again = must(f.engine->jobs(tester, profile.id)).front();
    CHECK(must(f.engine->wait_for_job(tester, again.id).get()).state == JobState::succeeded);
    CHECK(f.source->requests().size() == 2);
    CHECK(f.source->released().size() == 2);
    CHECK(f.uses(profile.id).size() == 2);
    f.check_holds_no_secret();
}

TEST_CASE("a clone without the credential that its server wants fails, and says why") {
    Fixture f;
    std::string code;
    bool given = false;
    SUBCASE("the server refuses it") {
        given = true;
        git_test::write_file(f.dir.path() / "git/login", "me:another");
        code = "credentials_refused";
    }
    SUBCASE("there is none") {
        f.source->answer = [] { return std::nullopt; };
        code = "credentials_required";
    }
    SUBCASE("nobody can say now") {
        f.source->answer = [] { return Error{ErrorClass::unavailable, "vault_sealed", "the vault is sealed", "", "", {}}; };
        code = "vault_sealed";
    }
    SUBCASE("an exception") {
        f.source->answer = []() -> Result<std::optional<Credential>> { throw std::runtime_error("no"); };
        code = "exception";
    }
    const auto profile = f.profile();
    const auto job = publish_and_build(*f.engine, profile.id);
    CHECK(job.state == JobState::failed);
    CHECK(job.phase == BuildPhase::repositories);
    REQUIRE(job.error);
    CHECK(job.error->code == code);
    CHECK_FALSE(holds(*job.error, secret));
    CHECK(f.source->requests().size() == 1);
    const auto released = f.source->released();
    REQUIRE(released.size() == (given ? 1 : 0));
    if (given) CHECK(released[0].use.refused);
    if (code != "exception") {
        const auto uses = f.uses(profile.id);
        REQUIRE(uses.size() == 1);
        CHECK(json::parse(uses[0].detail).at("given") == json::value(given));
    }
    f.check_holds_no_secret();
}

TEST_CASE("a credential that cannot be given back is in the engine's log, and changes nothing else") {
    Fixture f;
    std::string code = "vault_sealed";
    SUBCASE("an error") {
        f.source->taken_back = [] { return Error{ErrorClass::unavailable, "vault_sealed", secret, "", "", {}}; };
    }
    SUBCASE("an exception") {
        code = "exception";
        f.source->taken_back = []() -> Result<void> { throw std::runtime_error(secret); };
    }
    const auto job = publish_and_build(*f.engine, f.profile().id);
    CHECK(job.state == JobState::succeeded);
    f.check_holds_no_secret();
    CHECK(f.log.find("credential.kept") != std::string::npos);
    CHECK(f.log.find("code" + code) != std::string::npos);
}

TEST_CASE("the credential of a pull is given back when the image is there, or refused") {
    Fixture f;
    f.provider->registry = "registry.example:5000";
    bool refused = false, failed = false;
    SUBCASE("pulled") {}
    SUBCASE("refused") {
        refused = failed = true;
        f.provider->fail("prepare_image", ErrorClass::permission, "unauthorized: authentication required");
    }
    SUBCASE("a good one, for something else") {
        failed = true;
        f.provider->fail("prepare_image", ErrorClass::permission, "denied: requested access to the resource is denied");
    }
    const auto profile = must(f.engine->create_profile(tester, document({{"provider", "memory"}})));
    const auto job = publish_and_build(*f.engine, profile.id);
    CHECK(job.state == (failed ? JobState::failed : JobState::succeeded));
    const auto released = f.source->released();
    REQUIRE(released.size() == 1);
    CHECK(released[0].request.purpose == CredentialPurpose::pull);
    CHECK(released[0].request.url == "https://registry.example:5000");
    CHECK(released[0].use.over);
    CHECK(released[0].use.refused == refused);
    const auto uses = f.uses(profile.id);
    REQUIRE(uses.size() == 1);
    const json::object detail = json::parse(uses[0].detail).as_object();
    CHECK(detail.at("purpose") == "pull");
    CHECK(detail.at("registry") == "registry.example:5000");
    f.check_holds_no_secret();
}
