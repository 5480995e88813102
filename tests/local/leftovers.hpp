// SPDX-License-Identifier: Apache-2.0
// What a test of the local provider must not leave behind: mounts, control groups, processes, files in a state directory.
#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sandboxkit::test {

// A picture of the host; two of them are compared. Other tests may run at the same time, so only what belongs to the
// given state directory is looked at: processes and mounts that name it, control groups with its instance.
class Leftovers {
public:
    explicit Leftovers(std::filesystem::path state_directory) : state_(std::move(state_directory)) {}

    // Everything of this state directory that is on the host now, one line each. `files`: what is in the directories of
    // sandboxes, runtimes and trials, too; not in the image store.
    [[nodiscard]] std::vector<std::string> now(bool files = true) const {
        std::vector<std::string> found;
        mounts(found);
        groups(found);
        processes(found);
        if (files) entries(found);
        return found;
    }

    // Waits for what is on its way out, 10 seconds at most. Empty: nothing is left.
    [[nodiscard]] std::vector<std::string> after(bool files = true) const {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        for (;;) {
            auto found = now(files);
            if (found.empty() || std::chrono::steady_clock::now() >= end) return found;
            std::this_thread::sleep_for(std::chrono::milliseconds(10)); // the host offers nothing to wait on
        }
    }

private:
    static std::string read(const std::filesystem::path& path) {
        std::ifstream file(path, std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf(); // nothing of a process that has just ended; a stream iterator would throw
        return text.str();
    }

    void mounts(std::vector<std::string>& found) const {
        std::ifstream file("/proc/self/mounts");
        for (std::string line; std::getline(file, line);)
            if (line.find(state_.string()) != std::string::npos) found.push_back("mount " + line);
    }

    void groups(std::vector<std::string>& found) const {
        const std::string instance = read(state_ / "instance");
        if (instance.empty()) return;
        const std::string prefix = "sandboxkit-" + instance + "-";
        std::set<std::string> roots;
        std::ifstream file("/proc/self/mounts");
        for (std::string line; std::getline(file, line);) {
            const auto first = line.find(' '), second = line.find(' ', first + 1);
            const std::string type = line.substr(second + 1, line.find(' ', second + 1) - second - 1);
            if (type == "cgroup" || type == "cgroup2") roots.insert(line.substr(first + 1, second - first - 1));
        }
        for (const auto& root : roots) {
            std::error_code error;
            for (std::filesystem::directory_iterator each(root, error), end; !error && each != end; each.increment(error))
                if (each->path().filename().string().starts_with(prefix)) found.push_back("cgroup " + each->path().string());
        }
    }

    // The guest and its children by their control group; runtimes and slirp4netns by their arguments and open files.
    void processes(std::vector<std::string>& found) const {
        const std::string instance = read(state_ / "instance");
        std::error_code error;
        for (std::filesystem::directory_iterator each("/proc", error), end; !error && each != end; each.increment(error)) {
            const std::string pid = each->path().filename();
            if (!std::ranges::all_of(pid, [](unsigned char c) { return c >= '0' && c <= '9'; })) continue;
            if (each->path() == std::filesystem::path("/proc/self") || pid == own_pid()) continue;
            std::string arguments = read(each->path() / "cmdline");
            std::ranges::replace(arguments, '\0', ' ');
            if (arguments.empty()) continue; // kernel threads and zombies
            const bool grouped =
                !instance.empty() && read(each->path() / "cgroup").find("sandboxkit-" + instance + "-") != std::string::npos;
            const bool named = arguments.find((state_ / "runtime").string()) != std::string::npos ||
                               arguments.find((state_ / "sandboxes").string()) != std::string::npos;
            if (grouped || named || has_log_open(each->path())) found.push_back("process " + pid + " " + arguments);
        }
    }

    [[nodiscard]] bool has_log_open(const std::filesystem::path& process) const {
        for (const char* descriptor : {"fd/1", "fd/2"}) {
            std::error_code error;
            const auto target = std::filesystem::read_symlink(process / descriptor, error);
            if (!error && target.string().starts_with((state_ / "sandboxes").string())) return true;
        }
        return false;
    }

    void entries(std::vector<std::string>& found) const {
        std::error_code error;
        for (std::filesystem::directory_iterator each(state_ / "sandboxes", error), end; !error && each != end;
             each.increment(error))
            found.push_back("file " + each->path().string());
        for (std::filesystem::recursive_directory_iterator each(state_ / "runtime", error), end; !error && each != end;
             each.increment(error))
            if (each.depth() > 0) found.push_back("file " + each->path().string());
        for (std::filesystem::directory_iterator each(state_ / "cache", error), end; !error && each != end; each.increment(error))
            if (each->path().filename().string().starts_with("trial-")) found.push_back("file " + each->path().string());
    }

    [[nodiscard]] static std::string own_pid() {
        std::error_code ignored;
        return std::filesystem::read_symlink("/proc/self", ignored).string();
    }

    std::filesystem::path state_;
};

} // namespace sandboxkit::test
