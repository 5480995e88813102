// SPDX-License-Identifier: Apache-2.0
// The history of a profile's agent instructions, and which of them a session got.
#include "store_fixture.hpp"

#include <sandboxkit/digest.hpp>

using namespace store_test;

namespace {

struct InstructionsFixture : Fixture {
    std::string id = make.usable_profile();

    store::Profile instruct(const std::string& text, Timestamp now = at(5000)) {
        Save save;
        save.name = "n";
        save.record = "{}";
        save.instructions = text;
        save.actor = {"carol"};
        save.section = "agent_instructions";
        save.now = now;
        return store->save(id, save).value();
    }
    Session start() { return store->create_session(make.session(id)).value().session; }
};

} // namespace

TEST_CASE_FIXTURE(InstructionsFixture, "every text is a revision, an empty one too, and all of them stay") {
    CHECK(store->instructions(id)->empty());
    CHECK(code(store->instructions_text(id, 1)) == "no_instructions");
    const std::string odd("caf\xC3\xA9 '; --\0\n", 13);
    const std::vector<std::string> texts{odd, "", std::string(300'000, 'x'), odd};
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto saved = instruct(texts[i], at(5000 + static_cast<std::int64_t>(i)));
        CHECK(saved.instructions_revision == i + 1);
        CHECK(saved.draft_revision == 0);
    }
    const auto history = store->instructions(id).value();
    REQUIRE(history.size() == 4);
    for (std::size_t i = 0; i < history.size(); ++i) {
        const auto& r = history[i];
        CHECK(r.revision == 4 - i);
        CHECK(r.bytes == texts[3 - i].size());
        CHECK(r.digest == digest_of(texts[3 - i]));
        CHECK(r.principal == "carol");
        CHECK(r.at == at(5003 - static_cast<std::int64_t>(i)));
        CHECK(store->instructions_text(id, r.revision).value() == texts[3 - i]);
    }
    CHECK(code(store->instructions_text(id, 5)) == "no_instructions");
    CHECK(code(store->instructions_text(id, 0)) == "no_instructions");
    CHECK(code(store->instructions_text("prf_no", 1)) == "no_profile");
    CHECK(code(store->instructions("prf_no")) == "no_profile");
}

TEST_CASE_FIXTURE(InstructionsFixture, "other edits leave the instructions alone") {
    instruct("be brief");
    save_draft(*store, id, {}, "n", "{}", "d", "carol", at(1)).value();
    CHECK(store->profile(id)->instructions_revision == 1);
    CHECK(store->profiles()->front().instructions_revision == 1);
}

TEST_CASE_FIXTURE(InstructionsFixture, "a new profile may have instructions from the start") {
    NewProfile request{"prf_new", "n", "{}", "{}", "sha256:d", {"alice"}, at(7), "", "be brief", R"({"from":"a copy"})"};
    const auto made = store->create_profile(request);
    REQUIRE(made);
    CHECK(made->profile.instructions_revision == 1);
    CHECK(made->profile.revision == 1);
    CHECK(store->instructions_text("prf_new", 1).value() == "be brief");
    CHECK(store->instructions("prf_new")->front().principal == "alice");
    CHECK(store->activity("prf_new", {}, 1)->front().detail ==
          R"({"revision":1,"after":"sha256:d","instructions_revision":1,"from":"a copy"})");
}

TEST_CASE_FIXTURE(InstructionsFixture, "a session keeps the revision that it got") {
    const Session none = start();
    CHECK(none.instructions_revision == 0);
    instruct("be brief");
    const Session first = start();
    CHECK(first.instructions_revision == 1);
    instruct("");
    CHECK(start().instructions_revision == 2);
    CHECK(store->session(none.id)->instructions_revision == 0);
    CHECK(store->session(first.id)->instructions_revision == 1);
    CHECK(store->move_session(first.id, SessionState::starting, SessionState::running, {}, at(6000))->instructions_revision == 1);
}

TEST_CASE_FIXTURE(InstructionsFixture, "the history is append-only, whoever writes the file") {
    instruct("be brief");
    instruct("be kind");
    RawConnection raw(file);
    const auto refused = [&](const std::string& sql, const std::string& why) {
        const std::string said = raw.run(sql);
        CHECK_MESSAGE(said.find(why) != std::string::npos, sql << ": " << said);
    };
    refused("UPDATE instructions SET text = 'be rude'", "append-only");
    refused("DELETE FROM instructions WHERE revision = 2", "append-only");
    for (const char* revision : {"0", "1", "2", "4", "-1"})
        refused("INSERT OR REPLACE INTO instructions VALUES ('" + id + "', " + revision + ", 't', 'd', 'p', 1)", "append-only");
    refused("INSERT INTO instructions VALUES ('prf_no', 1, 't', 'd', 'p', 1)", "FOREIGN KEY");
    refused("INSERT INTO instructions VALUES ('" + id + "', 3, 't', '', 'p', 1)", "CHECK");
    CHECK(store->instructions_text(id, 1).value() == "be brief");
    CHECK(store->instructions(id)->size() == 2);
}

TEST_CASE_FIXTURE(InstructionsFixture, "a text that does not have its digest is damage") {
    instruct("be brief");
    RawConnection raw(file);
    CHECK(raw.run("DROP TRIGGER instructions_never_change; UPDATE instructions SET text = 'be rude'").empty());
    const auto text = store->instructions_text(id, 1);
    CHECK(kind(text) == ErrorClass::data_loss);
    CHECK(code(text) == "store_damaged");
    CHECK(store->instructions(id)); // the rest is still served
}
