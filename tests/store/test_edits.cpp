// SPDX-License-Identifier: Apache-2.0
// Edits of a profile: kept at once, or proposed and then kept or discarded.
#include "store_fixture.hpp"

using namespace store_test;

namespace {

struct EditFixture : Fixture {
    std::string id = make.usable_profile(); // version 1, no draft, revision 1
    std::string published = store->version(id, 1)->digest;

    // An edit of the record alone.
    Save edit(const std::string& name) const {
        Save save;
        save.name = name;
        save.record = R"({"description":")" + name + "\"}";
        save.actor = {"carol", Channel::form};
        save.section = "general";
        save.now = at(5000);
        return save;
    }
    Proposal propose(const std::string& proposal) {
        return store
            ->propose({proposal,
                       id,
                       store->profile(id)->revision,
                       "resources",
                       R"({"cpus":2})",
                       R"([1])",
                       {"helper", Channel::assistant},
                       at(4000)})
            .value();
    }
    Activity newest() { return store->activity(id, {}, 1)->front(); }
    // What a verb that failed must have left as it was.
    std::string everything() {
        RawConnection raw(file);
        std::string all;
        for (const char* table : {"profiles", "drafts", "proposals", "instructions", "activity", "jobs", "snapshots"})
            all += raw.text("SELECT count(*) FROM " + std::string(table)) + " ";
        for (const std::string& row : raw.texts("SELECT name || record || last_revision FROM profiles")) all += row;
        for (const std::string& row : raw.texts("SELECT revision || recipe || digest FROM drafts")) all += row;
        for (const std::string& row : raw.texts("SELECT id || state FROM proposals")) all += row;
        return all;
    }
};

} // namespace

TEST_CASE_FIXTURE(EditFixture, "an edit of the record alone makes no draft, and one of the recipe does") {
    const auto named = store->save(id, edit("new name"));
    REQUIRE(named);
    CHECK(named->name == "new name");
    CHECK(named->record == R"({"description":"new name"})");
    CHECK(named->revision == 2);
    CHECK(named->draft_revision == 0);
    CHECK(code(store->draft(id)) == "no_draft");

    Save recipe = edit("new name");
    recipe.recipe = R"({"image":"x"})";
    recipe.digest = "sha256:x";
    const auto drafted = store->save(id, recipe);
    REQUIRE(drafted);
    CHECK(drafted->revision == 3);
    CHECK(drafted->draft_revision == 3);
    CHECK(store->draft(id)->recipe == R"({"image":"x"})");
    CHECK(store->draft(id)->digest == "sha256:x");

    const auto renamed = store->save(id, edit("newer name"));
    REQUIRE(renamed);
    CHECK(renamed->revision == 4);
    CHECK(renamed->draft_revision == 3); // the draft stayed as it was
    CHECK(store->draft(id)->digest == "sha256:x");
    CHECK(store->profile(id)->latest_version == 1u);
}

TEST_CASE_FIXTURE(EditFixture, "an edit is in the activity log with who, how, what, and what only the store knows") {
    Save save = edit("n");
    save.detail = R"({"before":"sha256:a","after":"sha256:b","revision":"forged"})";
    store->save(id, save).value();
    Activity a = newest();
    CHECK(a.action == "edit.keep");
    CHECK(a.principal == "carol");
    CHECK(a.channel == Channel::form);
    CHECK(a.section == "general");
    CHECK(a.at == at(5000));
    CHECK(a.detail == R"({"revision":2,"before":"sha256:a","after":"sha256:b"})");

    propose("prp_1");
    save.instructions = "be brief";
    save.proposal = "prp_1";
    save.detail = "{}";
    store->save(id, save).value();
    CHECK(newest().detail == R"({"revision":3,"instructions_revision":1,"proposal":"prp_1"})");
}

TEST_CASE_FIXTURE(EditFixture, "an edit of another revision than the present one is refused whole") {
    propose("prp_1");
    const std::string before = everything();
    for (const std::uint32_t expected : {0u, 2u, 9u}) {
        Save save = edit("stale");
        save.expected = expected;
        save.recipe = "{}";
        save.digest = "d";
        save.instructions = "none of it";
        save.proposal = "prp_1";
        const auto refused = store->save(id, save);
        CHECK(kind(refused) == ErrorClass::conflict);
        CHECK(code(refused) == "stale_revision");
        CHECK(refused.error().message.find("revision 1") != std::string::npos);
    }
    CHECK(everything() == before);
    Save save = edit("fresh");
    save.expected = 1;
    CHECK(store->save(id, save)->revision == 2);
    CHECK(code(store->save(id, save)) == "stale_revision");
}

TEST_CASE_FIXTURE(EditFixture, "an edit of the record raises the revision for those who edit the recipe, too") {
    store->save(id, edit("first")).value();
    CHECK(code(save_draft(*store, id, 1, "n", "{}", "d", "carol", at(1))) == "stale_revision");
    CHECK(save_draft(*store, id, 2, "n", "{}", "d", "carol", at(1))->revision == 3);
}

TEST_CASE_FIXTURE(EditFixture, "a draft that is the newest version again is removed") {
    save_draft(*store, id, {}, "n", "{}", "sha256:other", "carol", at(1)).value();
    Save back = edit("back");
    back.drop_draft = true;
    back.digest = published;
    const auto dropped = store->save(id, back);
    REQUIRE(dropped);
    CHECK(dropped->draft_revision == 0);
    CHECK(dropped->revision == 3);
    CHECK(code(store->draft(id)) == "no_draft");
    CHECK(store->save(id, back)->revision == 4); // there is none to remove: as good

    SUBCASE("not when another version was published meanwhile") {
        make.version(id);
        save_draft(*store, id, {}, "n", "{}", "sha256:third", "carol", at(1)).value();
        const auto refused = store->save(id, back);
        CHECK(code(refused) == "stale_revision");
        CHECK(store->draft(id)->digest == "sha256:third");
    }
    SUBCASE("not when nothing was ever published") {
        const std::string unpublished = make.profile();
        CHECK(code(store->save(unpublished, back)) == "stale_revision");
        CHECK(store->draft(unpublished));
    }
}

TEST_CASE_FIXTURE(EditFixture, "a save that contradicts itself is a defect") {
    const std::string before = everything();
    Save both = edit("n");
    both.recipe = "{}";
    both.digest = "d";
    both.drop_draft = true;
    Save undigested = edit("n");
    undigested.recipe = "{}";
    Save digest_of_nothing = edit("n");
    digest_of_nothing.digest = "d";
    Save drop_of_anything = edit("n");
    drop_of_anything.drop_draft = true;
    for (const Save& save : {both, undigested, digest_of_nothing, drop_of_anything}) {
        const auto refused = store->save(id, save);
        CHECK(kind(refused) == ErrorClass::internal);
        CHECK(code(refused) == "bad_save");
    }
    for (const char* detail : {"", "[]", "1", "{", "{} {}"}) {
        Save save = edit("n");
        save.detail = detail;
        save.instructions = "never kept";
        CHECK(code(store->save(id, save)) == "bad_detail");
    }
    CHECK(everything() == before);
    CHECK(store->save(id, edit("n")));
}

TEST_CASE_FIXTURE(EditFixture, "a proposal is read back whole, by any program, until it is closed") {
    const Proposal made = propose("prp_1");
    auto second = open_store(file);
    for (const Proposal& p : {made, second->proposal("prp_1").value(), second->proposals(id)->front()}) {
        CHECK(p.id == "prp_1");
        CHECK(p.profile == id);
        CHECK(p.base_revision == 1);
        CHECK(p.section == "resources");
        CHECK(p.edit == R"({"cpus":2})");
        CHECK(p.changes == "[1]");
        CHECK(p.actor.principal == "helper");
        CHECK(p.actor.channel == Channel::assistant);
        CHECK(p.proposed == at(4000));
        CHECK(p.state == ProposalState::open);
        CHECK_FALSE(p.closed);
        CHECK(p.closed_by.empty());
    }
    CHECK(newest().action == "edit.propose");
    CHECK(newest().channel == Channel::assistant);
    CHECK(newest().section == "resources");
    CHECK(newest().detail == R"({"proposal":"prp_1","base":1})");
    CHECK(store->profile(id)->revision == 1);

    propose("prp_2");
    propose("prp_0");
    std::vector<std::string> open;
    for (const Proposal& p : second->proposals(id).value()) open.push_back(p.id);
    CHECK(open == std::vector<std::string>{"prp_1", "prp_2", "prp_0"});

    const auto discarded = second->discard_proposal("prp_2", {"dave"}, at(4500));
    REQUIRE(discarded);
    CHECK(discarded->state == ProposalState::discarded);
    CHECK(discarded->closed == at(4500));
    CHECK(discarded->closed_by == "dave");
    CHECK(newest().action == "edit.discard");
    CHECK(newest().principal == "dave");
    CHECK(newest().section == "resources");
    CHECK(newest().detail == R"({"proposal":"prp_2"})");
    CHECK(store->proposals(id)->size() == 2);
    CHECK(store->proposal("prp_2")->state == ProposalState::discarded);
}

TEST_CASE_FIXTURE(EditFixture, "a proposal ends once: kept with its edit, or discarded") {
    propose("prp_1");
    Save keep = edit("kept");
    keep.proposal = "prp_1";
    keep.expected = 1;
    CHECK(store->save(id, keep)->revision == 2);
    const auto kept = store->proposal("prp_1").value();
    CHECK(kept.state == ProposalState::kept);
    CHECK(kept.closed == at(5000));
    CHECK(kept.closed_by == "carol");
    CHECK(store->proposals(id)->empty());

    const std::string before = everything();
    keep.expected.reset();
    keep.name = "kept twice";
    CHECK(kind(store->save(id, keep)) == ErrorClass::conflict);
    CHECK(code(store->save(id, keep)) == "proposal_closed");
    CHECK(code(store->discard_proposal("prp_1", {"dave"}, at(1))) == "proposal_closed");
    CHECK(everything() == before);

    propose("prp_2");
    store->discard_proposal("prp_2", {"dave"}, at(1)).value();
    keep.proposal = "prp_2";
    CHECK(code(store->save(id, keep)) == "proposal_closed");
    CHECK(code(store->discard_proposal("prp_2", {"dave"}, at(1))) == "proposal_closed");
}

TEST_CASE_FIXTURE(EditFixture, "a proposal is of one profile") {
    propose("prp_1");
    const std::string other = make.profile();
    Save keep = edit("kept");
    keep.proposal = "prp_1";
    CHECK(code(store->save(other, keep)) == "no_proposal");
    keep.proposal = "prp_no";
    CHECK(code(store->save(id, keep)) == "no_proposal");
    CHECK(code(store->proposal("prp_no")) == "no_proposal");
    CHECK(code(store->discard_proposal("prp_no", {"dave"}, at(1))) == "no_proposal");
    CHECK(store->proposals(other)->empty());
    CHECK(code(store->proposals("prf_no")) == "no_profile");
    CHECK(code(store->propose({"prp_2", "prf_no", 1, "general", "{}", "[]", {"alice"}, at(1)})) == "no_profile");
    CHECK(code(store->propose({"prp_1", other, 1, "general", "{}", "[]", {"alice"}, at(1)})) == "already_exists");
    CHECK(store->proposal("prp_1")->state == ProposalState::open);
}

TEST_CASE_FIXTURE(EditFixture, "open proposals of a profile have a limit") {
    for (std::uint32_t i = 0; i < open_proposals_limit; ++i) propose("prp_" + std::to_string(i));
    const auto refused = store->propose({"prp_more", id, 1, "general", "{}", "[]", {"alice"}, at(1)});
    CHECK(kind(refused) == ErrorClass::quota);
    CHECK(code(refused) == "too_many_proposals");
    const std::string other = make.profile();
    CHECK(store->propose({"prp_other", other, 1, "general", "{}", "[]", {"alice"}, at(1)}));
    store->discard_proposal("prp_7", {"dave"}, at(1)).value();
    propose("prp_more");
    CHECK(store->proposals(id)->size() == open_proposals_limit);
}
