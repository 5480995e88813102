// SPDX-License-Identifier: Apache-2.0
// Random valid recipes for property tests. Values come from small pools, so that two of them are often equal in a field.
#pragma once

#include <sandboxkit/profile.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>

namespace sandboxkit::test {

class RandomRecipe {
public:
    explicit RandomRecipe(std::uint64_t seed) : engine_(seed) {}

    Recipe recipe() {
        Recipe r;
        for (std::size_t field = 0; field < fields; ++field)
            if (below(3) != 0) change(r, field);
        return r;
    }
    // The same recipe with up to three fields drawn anew, which may give the same value again.
    Recipe variation(Recipe r) {
        for (std::size_t n = below(4); n > 0; --n) change(r, below(fields));
        return r;
    }

    static constexpr std::size_t fields = 12;
    void change(Recipe& r, std::size_t field) {
        switch (field) {
        case 0: r.provider = pick({"local", "docker"}); break;
        case 1: r.image = pick({"host", "directory:/srv/root", "archive:/srv/root.tar"}); break;
        case 2: add_or_remove_repository(r); break;
        case 3: change_repository(r); break;
        case 4: r.setup_script = pick({"", "", "make\n", "printf '\\t%s\\n' \"\xE2\x82\xAC\"\n"}); break;
        case 5: r.setup_timeout_seconds = static_cast<std::uint32_t>(1 + below(3)); break;
        case 6: {
            const std::string name(pick({"A", "PATH_EXTRA", "_x1"}));
            if (below(2) == 0)
                r.environment.erase(name);
            else
                r.environment[name] = pick({"", "1", "a \"b\"\n", "\xF0\x9F\x98\x80"});
            break;
        }
        case 7: {
            static constexpr std::array classes = {ResourceClass::planning, ResourceClass::development,
                                                   ResourceClass::development_large};
            r.resources.resource_class = classes[below(classes.size())];
            break;
        }
        case 8:
            r.resources.cpus.reset();
            if (below(2) == 0) r.resources.cpus = std::uniform_real_distribution<double>(0.01, 1024)(engine_);
            break;
        case 9:
            r.resources.memory_mb.reset(), r.resources.processes.reset(), r.resources.disk_mb.reset();
            if (below(2) == 0) r.resources.memory_mb = 16 + below(100000);
            if (below(2) == 0) r.resources.processes = static_cast<std::uint32_t>(8 + below(100));
            if (below(2) == 0) r.resources.disk_mb = 16 + below(100);
            break;
        case 10: r.network.egress = below(2) == 0 ? Egress::none : Egress::open; break;
        case 11:
            r.persistence.enabled = below(2) == 0;
            r.persistence.paths.clear();
            for (const std::string_view path : {"/var/cache", "/root", "/home/x"})
                if (below(2) == 0) r.persistence.paths.emplace_back(path);
            break;
        }
    }

    std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_); }
    std::string_view pick(std::initializer_list<std::string_view> from) { return from.begin()[below(from.size())]; }
    std::mt19937_64& engine() { return engine_; }

private:
    void add_or_remove_repository(Recipe& r) {
        const std::string identifier(pick({"app", "lib", "docs", "B"}));
        if (std::erase_if(r.repositories, [&](const Repository& x) { return x.identifier == identifier; }) > 0 && below(2) == 0)
            return;
        Repository added;
        added.identifier = identifier;
        added.url = "https://git.example/" + identifier;
        added.mount_path = "/workspace/" + identifier;
        added.role = RepositoryRole::context;
        r.repositories.insert(r.repositories.begin() + static_cast<std::ptrdiff_t>(below(r.repositories.size() + 1)), added);
    }
    void change_repository(Recipe& r) {
        if (r.repositories.empty()) return;
        Repository& x = r.repositories[below(r.repositories.size())];
        switch (below(6)) {
        case 0: x.url = pick({"https://git.example/a", "git@git.example:b.git", "file:///srv/c.git"}); break;
        case 1: x.branch.reset(); break;
        case 2: x.branch = pick({"main", "feature/x"}); break;
        case 3:
            x.depth.reset();
            if (below(2) == 0) x.depth = static_cast<std::uint32_t>(1 + below(2));
            break;
        case 4: x.mount_path = (below(2) == 0 ? "/workspace/" : "/opt/") + x.identifier; break;
        case 5:
            x.read_only = below(2) == 0;
            x.role = below(2) == 0 ? RepositoryRole::reference : RepositoryRole::context;
            break;
        }
    }

    std::mt19937_64 engine_;
};

} // namespace sandboxkit::test
