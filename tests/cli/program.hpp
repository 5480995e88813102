// SPDX-License-Identifier: Apache-2.0
// The command line as a user has it: started, fed, listened to, and signalled; with a store of its own that is gone afterwards.
#pragma once

#include <boost/json.hpp>

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sandboxkit::cli::test {

struct Outcome {
    int code = 0; // 128 + n after a signal
    std::string out, err;
    [[nodiscard]] std::string line() const; // of out, the first, without its newline
    [[nodiscard]] boost::json::value json() const;
};

class Running {
public:
    Running(std::vector<std::string> argv, const std::map<std::string, std::string>& environment);
    ~Running(); // kills it
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    void write(const std::string& bytes);
    void close_input();
    void wait_for(const std::string& text); // in its output or its errors; throws when it ends before
    void signal(int number) const;
    Outcome finish(); // closes its input

private:
    bool read_some(); // false at the end of both streams

    pid_t pid_ = -1;
    int in_ = -1, out_ = -1, err_ = -1;
    Outcome so_far_;
};

class Sandbox { // of a test, not of the product
public:
    Sandbox();
    ~Sandbox(); // removes the sessions and the store
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;

    [[nodiscard]] std::filesystem::path directory() const { return directory_; }
    [[nodiscard]] std::string file(const std::string& name, const std::string& text) const; // writes it; its path
    // With this store, from the environment.
    Outcome operator()(std::vector<std::string> arguments, const std::string& input = "") const;
    // The same with the shell's redirections: "<&- >/dev/full".
    Outcome redirected(const std::string& redirections, std::vector<std::string> arguments, const std::string& input = "") const;
    [[nodiscard]] std::map<std::string, std::string> environment() const;
    // The same on a terminal of its own, by script(1): what it says is all in `out`.
    [[nodiscard]] std::unique_ptr<Running> on_a_terminal(std::vector<std::string> arguments,
                                                         const std::map<std::string, std::string>& variables = {}) const;

    static std::vector<std::string> command(std::vector<std::string> arguments);

private:
    std::filesystem::path directory_;
};

Outcome run(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
            const std::string& input = "");

// What the doctor finds missing; empty: sandboxes run here.
std::string why_no_sandboxes();

} // namespace sandboxkit::cli::test
