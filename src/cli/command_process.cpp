// SPDX-License-Identifier: Apache-2.0
// Commands in a session: run, left running, found again.
#include "cli/commands.hpp"
#include "cli/exec_options.hpp"
#include "cli/exit_code.hpp"
#include "cli/forms.hpp"
#include "cli/passthrough.hpp"
#include "cli/text.hpp"

#include <csignal>

namespace sandboxkit::cli {

namespace {

int end_with(const Settings& settings, const Result<CommandEnd>& ended) {
    if (!ended) return settings.fail(ended.error());
    if (settings.json)
        if (const int failed = settings.answer(ended->answer, ""); failed != exit_ok) return failed;
    return ended->code;
}

// One answer is no terminal.
Result<void> check(const Settings& settings, const Passing& passing) {
    if (!settings.json || !passing.terminal) return {};
    return Error{
        ErrorClass::invalid, "terminal_with_json", "a terminal is not shown as JSON", "leave out --json or --terminal", "", {}};
}

int exec(const Settings& settings, const std::string& session, const ExecOptions& options, bool detach) {
    auto request = options.request();
    if (!request) return settings.fail(request.error());
    if (auto ok = check(settings, options.passing()); !ok) return settings.fail(ok.error());
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    if (!detach) return end_with(settings, run_command(settings, *engine, session, std::move(*request), options.passing()));
    auto process = wait(settings, engine->start_process(settings.who(), session, std::move(*request)));
    if (!process) return settings.fail(process.error());
    return settings.answer({{"id", process->id()}, {"pid", process->pid()}}, process->id() + '\n');
}

int attach(const Settings& settings, const std::string& session, const std::string& process, std::optional<std::uint64_t> offset,
           const Passing& passing) {
    if (auto ok = check(settings, passing); !ok) return settings.fail(ok.error());
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    return end_with(settings, attach_command(settings, *engine, session, process, offset, passing));
}

int list(const Settings& settings, const std::string& session) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto processes = wait(settings, engine->processes(settings.who(), session));
    if (!processes) return settings.fail(processes.error());
    std::vector<std::vector<std::string>> rows{{"ID", "PID", "COMMAND"}};
    boost::json::array answer;
    for (const auto& process : *processes) {
        std::string command;
        boost::json::array argv;
        for (const auto& argument : process.argv) {
            command += (command.empty() ? "" : " ") + argument;
            argv.emplace_back(argument);
        }
        rows.push_back({one_line(process.id), std::to_string(process.pid), one_line(command)});
        answer.push_back({{"id", process.id}, {"pid", process.pid}, {"argv", std::move(argv)}});
    }
    return settings.answer(answer, table(rows));
}

int kill(const Settings& settings, const std::string& session, const std::string& id, int number) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto sent = wait(settings, engine->signal_process(settings.who(), session, id, number));
    if (!sent) return settings.fail(sent.error());
    return settings.answer({{"id", id}, {"signal", number}}, "");
}

} // namespace

void add_processes(CLI::App& group, const Settings& settings, Chosen& chosen) {
    struct Arguments {
        std::string session, process;
        ExecOptions exec;
        bool detach = false;
        Passing passing;
        std::optional<std::uint64_t> offset = 0; // none: what nobody has read yet
        int signal = SIGTERM;
    };
    const auto arguments = std::make_shared<Arguments>();
    const auto on = [&](CLI::App* command, auto run) {
        command->callback(
            [&chosen, arguments, &settings, run] { chosen = [arguments, &settings, run] { return run(settings, *arguments); }; });
    };
    const auto add = [&](const char* name, const char* text) {
        auto* command = group.add_subcommand(name, text);
        command->add_option("session", arguments->session, "The session")->required()->type_name("SESSION");
        return command;
    };
    const auto of_process = [&](CLI::App* command) {
        command->add_option("process", arguments->process, "Its id or its pid")
            ->required()
            ->type_name("PROCESS")
            ->check(not_empty);
    };

    auto* command = add("exec", "Run a command in a session: its input, output, signals and exit code are this program's");
    command->add_flag("-d,--detach", arguments->detach, "Only start it, without input; prints its id");
    arguments->exec.add_to(*command);
    command->footer(std::string(exec_json_help) + '\n' + exit_code_help);
    command->callback([&chosen, arguments, &settings] {
        arguments->exec.insist_on_dashes(settings.after_dashes);
        if (arguments->detach && arguments->exec.passing().terminal)
            throw CLI::ParseError("--detach excludes --terminal", CLI::ExitCodes::ExcludesError);
        chosen = [arguments, &settings] { return exec(settings, arguments->session, arguments->exec, arguments->detach); };
    });

    command = add("ps", "List the processes of a session that were started by a client and run");
    on(command, [](const Settings& s, const Arguments& a) { return list(s, a.session); });

    command = add("attach", "Follow a process to its end: what it has said, and what comes");
    of_process(command);
    auto* from =
        command->add_option("--from", arguments->offset, "Begin at this byte of its output (else at the first that is kept)")
            ->type_name("BYTE");
    command
        ->add_flag_callback(
            "--unread", [arguments] { arguments->offset.reset(); }, "Begin with what nobody has read yet")
        ->excludes(from);
    command->add_flag("-i,--stdin", arguments->passing.input, "Pass on standard input, to its end, and signals");
    command->add_flag("-t,--terminal", arguments->passing.terminal, "Give it this terminal; it has one itself");
    command->footer(std::string(exec_json_help) + '\n' + exit_code_help);
    on(command, [](const Settings& s, const Arguments& a) { return attach(s, a.session, a.process, a.offset, a.passing); });

    command = add("kill", "Send a signal to the process group of a process");
    of_process(command);
    command->add_option("--signal", arguments->signal, "Its number (else 15, SIGTERM)")->type_name("N")->check(CLI::Range(1, 64));
    on(command, [](const Settings& s, const Arguments& a) { return kill(s, a.session, a.process, a.signal); });
}

} // namespace sandboxkit::cli
