// SPDX-License-Identifier: Apache-2.0
// Edits of a profile: written, looked at, kept or proposed.
#include "cli/commands.hpp"
#include "cli/dialogue.hpp"
#include "cli/difference.hpp"
#include "cli/editor.hpp"
#include "cli/exit_code.hpp"
#include "cli/forms.hpp"
#include "cli/standard_streams.hpp"
#include "cli/text.hpp"

#include <sandboxkit/profile_document.hpp>

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>

namespace sandboxkit::cli {

namespace json = boost::json;

namespace {

struct Order {
    std::string id, section_or_file, file;
    std::optional<Section> section{}; // absent: the whole document
    bool propose = false, yes = false;
};

std::string revision_text(const ProfileInfo& info) {
    return info.id + " revision " + std::to_string(info.revision) + (info.has_draft ? ", to be published" : "");
}

int answer_kept(const Settings& settings, const KeptEdit& kept) {
    auto answer = to_json(kept.profile);
    answer["changes"] = list_to_json(kept.changes);
    return settings.answer(answer,
                           kept.changes.empty() ? kept.profile.id + " is unchanged\n" : revision_text(kept.profile) + '\n');
}

// One edit, from what is written to what becomes of it. Says what it does on standard error; the answer alone goes to standard
// output.
class Editing {
public:
    Editing(const Settings& settings, Engine& engine, const Order& order)
        : settings_(settings), engine_(engine), order_(order), asks_(!order.yes && !settings.json && somebody_there()) {}

    int run() {
        if (auto looked = look(); !looked) return settings_.fail(looked.error());
        bool open_editor = order_.file.empty();
        if (!open_editor) {
            auto read = read_document(order_.file);
            if (!read) return settings_.fail(read.error());
            document_ = std::move(*read);
        } else {
            document_.text = pretty(order_.section ? section_to_json(now_, *order_.section) : profile_to_json(now_));
        }
        // Who ends this at a question still has what was written.
        const Signals::Scope not_lost(*settings_.signals, [this](int number) {
            if (const std::string path = written_.load(); !path.empty()) write_all(STDERR_FILENO, '\n' + kept_line(path));
            std::_Exit(128 + number);
        });
        for (;;) {
            if (open_editor) {
                if (auto edited = edit_by_hand(); !edited) return settings_.fail(edited.error());
            }
            open_editor = false;
            auto edited = read();
            if (!edited) {
                if (!again_after(edited.error())) return failed(edited.error());
                open_editor = true;
                continue;
            }
            const auto changes = diff(now_, *edited);
            if (changes.empty()) return answer_kept(settings_, {info_, {}});
            if (!settings_.json) write_all(STDERR_FILENO, difference_text(changes, colours(STDERR_FILENO)));
            if (asks_) {
                const char answer = ask(question(), stale_ ? "nye" : "yne");
                if (answer == 'n') return failed(not_kept());
                open_editor = answer == 'e';
                if (open_editor) continue;
            }
            const Result<int> done = order_.propose ? propose() : keep();
            if (done) return *done;
            if (done.error().code == "stale_revision") {
                if (auto looked = look(); !looked) return failed(looked.error());
                stale_ = true;
                if (!asks_ && file_.get() == nullptr) continue; // what is written replaces whatever is there
                if (!asks_) return failed_as_stale(done.error());
                write_all(STDERR_FILENO,
                          "meanwhile " + one_line(done.error().message) + "; on what is there now, your edit would change:\n");
                continue;
            }
            if (!again_after(done.error())) return failed(done.error());
            open_editor = true;
        }
    }

private:
    // The revision first: an edit in between makes this one stale, not wrong.
    Result<void> look() {
        auto info = engine_.profile(settings_.who(), order_.id);
        if (!info) return info.error();
        auto now = engine_.draft(settings_.who(), order_.id);
        if (!now) return now.error();
        info_ = std::move(*info);
        now_ = std::move(*now);
        return {};
    }

    Result<void> edit_by_hand() {
        if (!file_) {
            auto made = EditorFile::make(document_.text);
            if (!made) return made.error();
            file_ = std::move(*made);
            written_.store(file_->path());
        }
        auto edited = file_->edit();
        if (!edited) {
            if (edited_) file_->keep(); // of an earlier time
            return edited.error();
        }
        edited_ = true;
        document_ = std::move(*edited);
        return {};
    }

    // The profile that the edit would make.
    Result<Profile> read() const {
        if (!order_.section) return read_profile(document_.text);
        const auto members = parse_strict(document_.text);
        if (!members)
            return document_error("section_invalid", "the section " + std::string(to_string(*order_.section)),
                                  members.error().problems);
        return with_section(now_, *order_.section, *members);
    }

    Result<int> keep() {
        const auto kept =
            order_.section ? engine_.edit_section(settings_.who(), order_.id, {*order_.section, document_.text, info_.revision})
                           : engine_.edit_draft(settings_.who(), order_.id, document_.text, info_.revision);
        if (!kept) return kept.error();
        return answer_kept(settings_, *kept);
    }

    Result<int> propose() {
        const auto proposal = engine_.propose_edit(settings_.who(), order_.id, {*order_.section, document_.text, info_.revision});
        if (!proposal) return proposal.error();
        return settings_.answer(to_json(*proposal), proposal->id + '\n');
    }

    [[nodiscard]] std::string question() const {
        const std::string verb = order_.propose ? "propose" : "keep";
        return verb + (stale_ ? "? [y/N/e(dit again)]" : "? [Y/n/e(dit again)]");
    }

    // Whether the user goes back to the editor to mend this.
    [[nodiscard]] bool again_after(const Error& error) const {
        if (!asks_ || error.problems.empty()) return false;
        write_all(STDERR_FILENO, error_text(error, &document_));
        return ask("edit again? [Y/n]", "yn") == 'y';
    }

    int failed(const Error& error) {
        if (file_) file_->keep();
        // Told already, when somebody was asked about it.
        if (asks_ && !error.problems.empty()) return exit_code(error.kind);
        return settings_.fail(error, {}, &document_);
    }

    // Both sides: what is there now, and what this edit would make of it.
    int failed_as_stale(Error error) {
        if (file_) file_->keep();
        if (settings_.json) return settings_.fail(error, {}, &document_);
        if (auto edited = read()) {
            write_all(STDERR_FILENO, "- now, + by this edit:\n" + difference_text(diff(now_, *edited), colours(STDERR_FILENO)));
            error.problems.clear();
        }
        return settings_.fail(error, {}, &document_);
    }

    static Error not_kept() { return {ErrorClass::cancelled, "not_kept", "the profile is as it was", "", "", {}}; }

    // Of the file in the editor, for the thread of the signals.
    class Path {
    public:
        void store(std::string path) {
            const std::lock_guard lock(mutex_);
            path_ = std::move(path);
        }
        [[nodiscard]] std::string load() const {
            const std::lock_guard lock(mutex_);
            return path_;
        }

    private:
        mutable std::mutex mutex_;
        std::string path_;
    };

    const Settings& settings_;
    Engine& engine_;
    const Order& order_;
    const bool asks_;
    bool stale_ = false;
    bool edited_ = false; // by hand, at least once
    ProfileInfo info_;
    Profile now_;
    Document document_;
    std::unique_ptr<EditorFile> file_;
    Path written_;
};

int edit(const Settings& settings, const Order& order) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    return Editing(settings, *engine, order).run();
}

int proposals(const Settings& settings, const std::string& id) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto open = engine->proposals(settings.who(), id);
    if (!open) return settings.fail(open.error());
    std::string text;
    for (const auto& proposal : *open)
        text += proposal_line(proposal) + '\n' + difference_text(proposal.changes, colours(STDOUT_FILENO), "  ");
    return settings.answer(list_to_json(*open), text.empty() ? id + " has no open proposals\n" : text);
}

int keep(const Settings& settings, const std::string& proposal) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto kept = engine->keep_edit(settings.who(), proposal);
    if (!kept) return settings.fail(kept.error());
    return answer_kept(settings, *kept);
}

int discard(const Settings& settings, const std::string& id) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto proposal = engine->discard_edit(settings.who(), id);
    if (!proposal) return settings.fail(proposal.error());
    return settings.answer(to_json(*proposal), proposal->id + " discarded\n");
}

int restore(const Settings& settings, const std::string& id, std::uint32_t revision) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto kept = engine->restore_instructions(settings.who(), id, revision);
    if (!kept) return settings.fail(kept.error());
    return answer_kept(settings, *kept);
}

std::string names_of_sections() {
    std::string names;
    for (std::size_t i = 0; i < section_names.size(); ++i)
        names.append(i == 0 ? "" : ",").append(i == 9 ? "\n  " : " ").append(section_names[i]);
    return names;
}

} // namespace

void add_profile_edits(CLI::App& group, const Settings& settings, Chosen& chosen) {
    const auto order = std::make_shared<Order>();
    auto* command = group.add_subcommand("edit", "Change a profile, all of it or one section");
    command->footer(
        "Without FILE, VISUAL or EDITOR opens. The difference is shown, and on a terminal you are asked before it is\n"
        "kept. Elsewhere, and with --json, it is kept at once, and FILE replaces whatever is there. What you wrote is\n"
        "not lost when it has problems. What concerns the sandbox waits for 'profile publish'; the rest acts at once.\n\n"
        "Sections:" +
        names_of_sections() + ".\nA file with such a name is written ./NAME.\n");
    command->add_option("id", order->id, "The profile")->required()->type_name("ID");
    command->add_option("section", order->section_or_file, "The section to edit; the whole document without it")
        ->type_name("SECTION");
    command->add_option("file", order->file, "The document, or the section's members; - for standard input")->type_name("FILE");
    command->add_flag("--propose", order->propose, "Store it for somebody to keep or discard; prints its id. Of a section only");
    command->add_flag("--yes", order->yes, "Do not ask");
    command->callback([&chosen, order, &settings] {
        order->section = section_named(order->section_or_file);
        if (!order->section && !order->section_or_file.empty()) { // it is a file, then
            if (!order->file.empty()) throw CLI::ValidationError("'" + order->section_or_file + "' is no section");
            order->file = order->section_or_file;
        }
        if (order->propose && !order->section) throw CLI::RequiredError("--propose: SECTION");
        chosen = [order, &settings] { return edit(settings, *order); };
    });

    struct Arguments {
        std::string id;
        std::uint32_t revision = 0;
    };
    const auto arguments = std::make_shared<Arguments>();
    command = group.add_subcommand("proposals", "List the edits that wait for somebody to keep or discard them");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    choose(command, chosen, settings, arguments, [](const Settings& s, const Arguments& a) { return proposals(s, a.id); });

    command = group.add_subcommand("keep", "Keep a proposed edit");
    command->add_option("edit", arguments->id, "The proposal")->required()->type_name("EDIT");
    choose(command, chosen, settings, arguments, [](const Settings& s, const Arguments& a) { return keep(s, a.id); });

    command = group.add_subcommand("discard", "Discard a proposed edit");
    command->add_option("edit", arguments->id, "The proposal")->required()->type_name("EDIT");
    choose(command, chosen, settings, arguments, [](const Settings& s, const Arguments& a) { return discard(s, a.id); });

    command = group.add_subcommand("restore-instructions", "Make an earlier text of the agent instructions the newest");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_option("revision", arguments->revision, "Its number in 'profile instructions'")->required()->type_name("N");
    choose(command, chosen, settings, arguments,
           [](const Settings& s, const Arguments& a) { return restore(s, a.id, a.revision); });
}

} // namespace sandboxkit::cli
