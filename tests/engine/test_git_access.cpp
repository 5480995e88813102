// SPDX-License-Identifier: Apache-2.0
// The git of a session: the real git program, a real git server that asks for a password, and the engine between them. The
// sandboxes are guest processes, so that no privileges are needed.
#define DOCTEST_CONFIG_IMPLEMENT
#include "engine/memory_provider.hpp"
#include "git/fixture.hpp"

#include <sandboxkit/credentials.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <iterator>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace git_test = sandboxkit::git::test;

namespace {

const std::string secret = "canary-5c81d7-is-a-secret";

class Source final : public CredentialSource {
public:
    std::function<Result<std::optional<Credential>>()> answer = [] {
        return std::optional<Credential>(Credential("me", secret));
    };
    std::vector<CredentialRequest> requests() {
        std::lock_guard lock(mutex_);
        return requests_;
    }
    Result<std::optional<Credential>> credential(const CredentialRequest& request) override {
        std::lock_guard lock(mutex_);
        if (request.purpose != CredentialPurpose::clone) requests_.push_back(request);
        return answer();
    }
    Result<void> release(const CredentialRequest& request, const Credential&, CredentialUse use) override {
        if (request.purpose != CredentialPurpose::clone) ++released;
        if (use.refused) ++refused;
        return {};
    }
    std::atomic<std::size_t> released = 0, refused = 0;

private:
    std::mutex mutex_;
    std::vector<CredentialRequest> requests_;
};

// A git that was run in the sandbox.
struct Ran {
    std::string said; // on both streams
    int code = 0;
    [[nodiscard]] bool says(std::string_view text) const { return said.find(text) != std::string::npos; }
};

struct Fixture {
    TempDir dir;
    std::shared_ptr<MemoryProvider> provider = std::make_shared<MemoryProvider>();
    std::shared_ptr<Source> source = std::make_shared<Source>();
    std::optional<git_test::HttpServer> http;
    std::mutex mutex;
    std::string log; // every line, whole
    std::optional<Engine> engine;
    std::string profile, session, said; // by every git

    Fixture() {
        for (const auto* name : {"app", "notes", "docs"}) {
            const auto bare = dir.path() / "git" / (std::string(name) + ".git");
            git_test::make_repository(bare);
            git_test::git(bare, {"config", "http.receivepack", "true"});
        }
        git_test::write_file(dir.path() / "git/login", "me:" + secret);
        http.emplace(dir.path() / "git");
        open();
    }
    ~Fixture() { engine.reset(); }

    void open() {
        EngineOptions options = options_with(dir.path(), provider);
        options.credentials = source;
        options.log = [this](const LogLine& line) {
            std::lock_guard lock(mutex);
            log += line.event + line.message;
            for (const auto& [name, value] : line.fields) log += name + value;
        };
        engine.emplace(must(Engine::open(std::move(options))));
    }
    [[nodiscard]] std::string url(const std::string& name) const { return http->url("/private/" + name + ".git"); }
    void begin(boost::json::object more = {}) {
        boost::json::object recipe{{"provider", "memory"},
                                   {"repositories",
                                    {{{"identifier", "app"}, {"url", url("app")}, {"role", "primary"}},
                                     {{"identifier", "notes"}, {"url", url("notes")}, {"role", "context"}},
                                     {{"identifier", "docs"}, {"url", url("docs")}, {"role", "reference"}}}}};
        for (auto& [name, value] : more) recipe[name] = value;
        profile = must(engine->create_profile(tester, document(std::move(recipe)))).id;
        REQUIRE(publish_and_build(*engine, profile).state == JobState::succeeded);
        session = start(*engine, profile).id;
    }
    // In the sandbox, below its own directory.
    Ran sh(const std::string& script) {
        ExecRequest request;
        const auto work = dir.path() / "work";
        fs::create_directories(work);
        request.cwd = work.string();
        request.argv = {"/bin/sh", "-c",
                        "exec 2>&1; export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 LC_ALL=C"
                        " GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; " +
                            script};
        auto result = must(engine->exec(tester, session, std::move(request)).get());
        said += result.standard_output;
        return {result.standard_output, result.end.exit_code};
    }
    Ran succeeds(const std::string& script) {
        auto ran = sh(script);
        CHECK_MESSAGE(ran.code == 0, script << ": " << ran.said);
        return ran;
    }
    Ran fails(const std::string& script, std::string_view with) {
        auto ran = sh(script);
        CHECK_MESSAGE(ran.code != 0, script << ": " << ran.said);
        CHECK_MESSAGE(ran.says(with), script << ": " << ran.said);
        return ran;
    }
    [[nodiscard]] std::string head(const std::string& name, const std::string& reference) const {
        return git_test::git(dir.path() / "git" / (name + ".git"), {"rev-parse", reference});
    }
    [[nodiscard]] bool has(const std::string& name, const std::string& reference) const {
        return !git_test::git(dir.path() / "git" / (name + ".git"), {"for-each-ref", reference}).empty();
    }
    std::vector<ActivityEntry> activity(const std::string& action) {
        std::vector<ActivityEntry> found;
        for (auto& line : must(engine->activity(tester, profile)))
            if (line.action == action) found.push_back(std::move(line));
        return found;
    }
    // Nobody but the server and the engine's memory knows it: in no form, in no file, in no output, in no process's sight.
    void check_holds_no_secret() {
        const std::string base64 = "Y2FuYXJ5LTVjODFkNy1pcy1hLXNlY3JldA", basic = "bWU6Y2FuYXJ5LTVjODFkNy1pcy1hLXNlY3JldA";
        const std::string hex = "63616e6172792d356338316437";
        const auto clean = [&](const std::string& text) {
            return std::ranges::none_of(std::vector{secret, base64, basic, hex},
                                        [&](const std::string& form) { return text.find(form) != std::string::npos; });
        };
        CHECK(clean(said));
        engine.reset();
        for (const auto& entry : fs::recursive_directory_iterator(dir.path())) {
            if (entry.path().string().starts_with((dir.path() / "git").string()) || !entry.is_regular_file()) continue;
            CAPTURE(entry.path().string());
            CHECK(clean(git_test::read_file(entry.path())));
        }
        CHECK(clean(log));
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

TEST_CASE("git clones, fetches, pulls and pushes by the URLs of the profile, and knows no secret") {
    Fixture f;
    f.begin();
    f.succeeds("git clone -q " + f.url("app") + " app && cd app && git remote get-url origin");
    CHECK(f.succeeds("cat app/README").said == "third\n");
    f.succeeds(
        "cd app && git checkout -q -b work && echo new > new && git add . && git commit -q -m new && git push origin work");
    CHECK(f.head("app", "work") == f.succeeds("cd app && git rev-parse work | tr -d '\\n'").said);
    // Longer than what git sends in one piece.
    f.succeeds("cd app && head -c 3000000 /dev/urandom > big && git add . && git commit -q -m big && git push -q origin work");
    CHECK(f.head("app", "work") == f.succeeds("cd app && git rev-parse work | tr -d '\\n'").said);
    git_test::add_commit(f.dir.path() / "git/app.git", "main", "more", "more\n");
    f.succeeds("cd app && git checkout -q main && git pull -q && test -f more");
    f.succeeds("git clone -q " + f.url("docs") + " docs && git clone -q --depth 1 " + f.url("notes") + " notes");

    const auto requests = f.source->requests();
    REQUIRE(!requests.empty());
    CHECK(requests[0].purpose == CredentialPurpose::fetch);
    CHECK(requests[0].url == f.url("app"));
    CHECK(requests[0].repository == "app");
    CHECK(requests[0].session == f.session);
    CHECK(std::ranges::any_of(requests, [](const auto& r) { return r.purpose == CredentialPurpose::push; }));

    f.succeeds("env; git config --list --show-origin; cat app/.git/config; cat app/.git/FETCH_HEAD; cd app; git remote -v");
    f.succeeds("for p in /proc/[0-9]*; do if [ $(stat -c %u $p) = $(id -u) ] && tr '\\0' ' ' < $p/cmdline | grep -q guest; then "
               "tr '\\0' '\\n' < $p/cmdline; cat $p/environ 2>/dev/null | tr '\\0' '\\n'; fi; done; true");
    const auto pushes = f.activity("git.push");
    REQUIRE(pushes.size() == 2);
    CHECK(pushes[0].detail.find("refs/heads/work") != std::string::npos);
    CHECK(pushes[0].detail.find("answered") != std::string::npos);
    CHECK(f.activity("git.fetch").size() >= 4);
    const std::size_t given = f.source->requests().size();
    f.check_holds_no_secret();
    CHECK(f.source->released == given); // each was given back by the time the engine was closed
}

TEST_CASE("pushes that the profile does not allow are refused in words, and nothing happens at the server") {
    Fixture f;
    f.begin();
    const std::string commit = " && echo new > new && git add . && git commit -q -m new";
    f.succeeds("git clone -q " + f.url("app") + " app && cd app" + commit);
    f.succeeds("git clone -q " + f.url("notes") + " notes && cd notes" + commit);
    f.succeeds("git clone -q " + f.url("docs") + " docs && cd docs" + commit);
    f.fails("cd notes && git push origin main", "\"notes\" is a context repository in this session");
    f.fails("cd docs && git push origin main", "\"docs\" is read-only in this session");
    f.fails("cd app && git push origin :dev", "a session does not delete branches");
    f.fails("cd app && git tag t && git push origin t", "a session pushes branches and no other references");
    const auto mixed = f.fails("cd app && git push origin main HEAD:refs/notes/x", "no other references");
    CHECK(mixed.says("another reference of the same push is refused"));
    f.fails("cd app && git push -o ci.skip origin main", "push option");
    f.fails("git clone -q " + f.url("app") + "x x", "no repository of the session");
    CHECK(f.has("app", "refs/heads/dev"));
    CHECK_FALSE(f.has("app", "refs/tags/t"));
    CHECK_FALSE(f.has("app", "refs/notes"));
    CHECK(f.head("app", "main") != f.succeeds("cd app && git rev-parse main | tr -d '\\n'").said);
    const auto pushes = f.activity("git.push");
    CHECK(std::ranges::count_if(pushes, [](const auto& p) { return p.detail.find("refused") != std::string::npos; }) >= 5);
    // And one that it does.
    f.succeeds("cd app && git push -q origin main");
    f.check_holds_no_secret();
}

TEST_CASE("what keeps the engine from fetching is said to git") {
    Fixture f;
    f.begin();
    SUBCASE("the server does not take the credential") {
        git_test::write_file(f.dir.path() / "git/login", "me:another");
        f.fails("git clone -q " + f.url("app") + " app", "does not accept the credential");
        CHECK(f.source->refused >= 1);
    }
    SUBCASE("there is none") {
        f.source->answer = [] { return std::optional<Credential>(); };
        f.fails("git clone -q " + f.url("app") + " app", "has none for it");
    }
    SUBCASE("the host application fails, and what it says is not for the sandbox") {
        f.source->answer = [] {
            return Error{ErrorClass::unavailable, "vault_sealed", "the vault at " + secret + " is sealed", "", secret, {}};
        };
        const auto ran = f.fails("git clone -q " + f.url("app") + " app", "could not say which credential");
        CHECK_FALSE(ran.says("vault"));
    }
    SUBCASE("the server is down") {
        f.http.reset();
        f.fails("git clone -q " + f.url("app") + " app", "remote:");
    }
    f.check_holds_no_secret();
}

namespace {

// A git in the sandbox that outlives the engine: it begins when it is told to, and what it said is there when it has ended.
class Background {
public:
    Background(Fixture& f, const std::string& git) : work_(f.dir.path() / "work") {
        f.succeeds("rm -f go done; mkfifo go done; (cat go; " + git +
                   " > out 2>&1; echo ended > done) > /dev/null 2>&1 < /dev/null &");
    }
    void go() const { git_test::write_file(work_ / "go", "go"); }
    [[nodiscard]] std::string finish() const {
        CHECK(git_test::read_file(work_ / "done") == "ended\n"); // returns when it is closed
        return git_test::read_file(work_ / "out");
    }

private:
    fs::path work_;
};

} // namespace

TEST_CASE("without an engine git is told so, and the next engine answers it again") {
    Fixture f;
    f.begin();
    const Background git(f, "git ls-remote " + f.url("app"));
    f.engine.reset();
    git.go();
    const std::string said = git.finish();
    CHECK_MESSAGE(said.find("the engine of this session does not answer") != std::string::npos, said);
    f.open();
    CHECK(f.succeeds("git ls-remote " + f.url("app")).says("refs/heads/main"));
    f.check_holds_no_secret();
}

TEST_CASE("an engine that closes cuts off what is under way, and git ends") {
    Fixture f;
    f.begin();
    git_test::write_file(f.dir.path() / "git/halt", ""); // half of each pack, and then silence
    const Background git(f, "git clone -q " + f.url("app") + " half");
    // The server has the second request, of which it answers half.
    const auto requests = f.dir.path() / "git/requests";
    const auto before = git_test::read_file(requests).size();
    git.go();
    while (git_test::read_file(requests).substr(before).find("/git-upload-pack Basic") == std::string::npos)
        std::this_thread::yield();
    f.engine.reset();
    const std::string said = git.finish();
    CHECK(!said.empty());
    CHECK_FALSE(fs::exists(f.dir.path() / "work/half"));
}

TEST_CASE("a session that is resumed has its git again, and one that is stopped or removed has none") {
    Fixture f;
    f.begin();
    f.succeeds("git ls-remote " + f.url("app"));
    must(f.engine->stop_session(tester, f.session).get());
    must(f.engine->resume_session(tester, f.session).get());
    CHECK(f.succeeds("git ls-remote " + f.url("docs")).says("refs/heads/main"));
    must(f.engine->remove_session(tester, f.session).get());
    f.check_holds_no_secret();
}

TEST_CASE("the profile's own settings of git stay") {
    Fixture f;
    f.begin(
        {{"environment", {{"GIT_CONFIG_COUNT", "1"}, {"GIT_CONFIG_KEY_0", "alias.hello"}, {"GIT_CONFIG_VALUE_0", "version"}}}});
    CHECK(f.succeeds("git hello").says("git version"));
    f.succeeds("git ls-remote " + f.url("app"));
}

TEST_CASE("a repository that has moved at its server is found there") {
    Fixture f;
    f.begin({{"repositories", {{{"identifier", "app"}, {"url", f.http->url("/moved/app.git")}}}}});
    f.succeeds("git clone -q " + f.http->url("/moved/app.git") +
               " app && cd app && echo 1 > 1 && git add . && git commit -q -m 1 "
               "&& git push -q origin main");
    CHECK(f.head("app", "main") == f.succeeds("cd app && git rev-parse main | tr -d '\\n'").said);
    f.check_holds_no_secret();
}
