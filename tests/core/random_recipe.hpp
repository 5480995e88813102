// SPDX-License-Identifier: Apache-2.0
// Random valid recipes for property tests, by a walk of the definition: every field, also one that is added later. Values come
// from small pools, so that two of them are often equal in a field.
#pragma once

#include <sandboxkit/profile_document.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace sandboxkit::test {

// Of each form of text a few, found by its own check.
inline const std::vector<std::string>& example_texts() {
    static const std::vector<std::string> texts = {
        "app",
        "lib",
        "x1",
        "B-2",
        "",
        "make\n",
        "a \"b\"\t\xE2\x82\xAC \xF0\x9F\x98\x80",
        "/srv/data",
        "/home/x",
        "/srv/data/inner",
        "https://git.example/a",
        "git@git.example:b.git",
        "file:///srv/c.git",
        "http://mcp.example/",
        "https://files.example/f.tgz",
        "host",
        "directory:/srv/root",
        "archive:/srv/root.tar",
        "oci:registry.example/a:1",
        "ghcr.io/features/node:1",
        "registry.example/f/go:2",
        "example.org",
        "*.example.org",
        "192.0.2.0/24",
        "2001:db8::/32",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
        "--flag",
        "-v",
        "/environment/app",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/b",
        "0 3 * * *",
        "*/5 * * * 1-5",
    };
    return texts;
}

class RandomRecipe {
public:
    explicit RandomRecipe(std::uint64_t seed) : engine_(seed) {}

    Recipe recipe() {
        Recipe r;
        fill(r);
        return r;
    }
    // The same recipe with up to three fields drawn anew, at any depth, which may give the same value again.
    Recipe variation(Recipe r) {
        for (std::size_t n = below(4); n > 0; --n) vary(r);
        return r;
    }
    // The same recipe with every list whose order means nothing in another one.
    Recipe shuffled(Recipe r) {
        shuffle(r);
        return r;
    }

    std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_); }

private:
    static constexpr std::size_t pool = 4;

    std::string text(const Text& form) {
        std::vector<const std::string*> possible;
        for (const std::string& example : example_texts())
            if (possible.size() < pool && example.size() <= form.most && !(form.check && form.check(example)))
                possible.push_back(&example);
        if (possible.empty()) throw std::logic_error("example_texts() has none for this form");
        return *possible[below(possible.size())];
    }
    std::uint64_t number(const Whole& form) {
        return below(4) == 0 ? form.most : std::min<std::uint64_t>(form.least + below(3), form.most);
    }

    template <class T>
    void fill(T& out) {
        for_each_field<T>([&](const auto& field) {
            if (field.presence != Presence::optional || below(3) != 0) draw(field, out.*field.member);
        });
        settle(out);
    }
    // One of the fields, or of those inside it.
    template <class T>
    void vary(T& out) {
        std::size_t left = below(std::tuple_size_v<std::remove_cvref_t<decltype(Model<T>::fields)>>);
        for_each_field<T>([&](const auto& field) {
            if (left-- == 0) vary(field, out.*field.member);
        });
        settle(out);
    }

    template <class F, class Value>
    void draw(const F& field, Value& out) {
        using Form = decltype(F::form);
        using Inner = typename detail::Unwrapped<Value>::type;
        if constexpr (!std::is_same_v<Inner, Value>) {
            out.reset();
            if (below(3) == 0) return;
        }
        if constexpr (std::is_same_v<Form, Text>) {
            if (std::is_same_v<Inner, Value> && field.presence == Presence::optional && below(3) == 0)
                out = Inner();
            else
                out = text(field.form);
        } else if constexpr (std::is_same_v<Form, Whole>) {
            out = static_cast<Inner>(number(field.form));
        } else if constexpr (std::is_same_v<Form, Real>) {
            out = std::uniform_real_distribution<double>(field.form.least, field.form.most)(engine_);
        } else if constexpr (std::is_same_v<Form, Flag>) {
            out = below(2) == 0;
        } else if constexpr (std::is_enum_v<Value>) {
            out = field.form.names[below(field.form.names.size())].second;
        } else if constexpr (std::is_same_v<Form, Object>) {
            Inner value{};
            fill(value);
            out = std::move(value);
        } else if constexpr (std::is_same_v<Form, Objects>) {
            out.clear();
            for (std::size_t n = below(4); n > 0; --n) add_object(field, out);
        } else if constexpr (std::is_same_v<Form, Dictionary> || std::is_same_v<Form, OptionDictionary>) {
            out.clear();
            for (std::size_t n = below(3); n > 0; --n) out[text(field.form.key)] = option<typename Value::mapped_type>(field);
        } else {
            draw_list(field, out);
        }
    }
    template <class Option, class F>
    Option option(const F& field) {
        if constexpr (!std::is_same_v<Option, std::string>)
            if (below(2) == 0) return below(2) == 0;
        return text(field.form.value);
    }
    template <class F, class Item>
    void draw_list(const F& field, std::vector<Item>& out) {
        out.clear();
        for (std::size_t n = field.form.least + below(3); n > 0; --n) {
            Item item{};
            if constexpr (std::is_same_v<Item, std::string>)
                item = text(field.form.item);
            else
                item = static_cast<Item>(number(field.form.item));
            bool fits = field.form.ordered || std::find(out.begin(), out.end(), item) == out.end();
            if constexpr (std::is_same_v<Item, std::string>)
                for (const std::string& other : out)
                    fits = fits && !(field.form.disjoint && (is_at_or_below(item, other) || is_at_or_below(other, item)));
            if (fits) out.push_back(std::move(item));
        }
    }

    template <class F, class T>
    void add_object(const F& field, std::vector<T>& out) {
        T object{};
        fill(object);
        const auto place = out.begin() + static_cast<std::ptrdiff_t>(below(out.size() + 1));
        out.insert(place, std::move(object));
        agree(field, out);
    }

    template <class F, class Value>
    void vary(const F& field, Value& out) {
        using Form = decltype(F::form);
        if constexpr (std::is_same_v<Form, Object>) {
            if constexpr (std::is_same_v<typename detail::Unwrapped<Value>::type, Value>)
                return vary(out);
            else if (out && below(3) != 0)
                return vary(*out);
            draw(field, out);
        } else if constexpr (std::is_same_v<Form, Objects>) {
            const std::size_t which = below(4);
            if (out.empty() || which == 0) return add_object(field, out);
            const std::size_t i = below(out.size());
            if (which == 1)
                out.erase(out.begin() + static_cast<std::ptrdiff_t>(i));
            else
                vary(out[i]);
            agree(field, out);
        } else if constexpr (std::is_same_v<Form, Dictionary> || std::is_same_v<Form, OptionDictionary>) {
            const std::string name = text(field.form.key);
            if (below(2) == 0)
                out.erase(name);
            else
                out[name] = option<typename Value::mapped_type>(field);
        } else {
            draw(field, out);
        }
    }

    template <class T>
    static std::string key_of(const T& object, std::string_view key) {
        std::string found;
        for_each_field<T>([&](const auto& field) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(object.*field.member)>, std::string>)
                if (field.name == key) found = object.*field.member;
        });
        return found;
    }
    // The rules between the elements of a list.
    template <class F, class T>
    void agree(const F& field, std::vector<T>& out) {
        std::set<std::string> keys;
        if (!field.form.key.empty())
            std::erase_if(out, [&](const T& object) { return !keys.insert(key_of(object, field.form.key)).second; });
        if constexpr (std::is_same_v<T, Repository>) {
            bool primary = false;
            for (Repository& repository : out) {
                if (!repository.mount_path.ends_with('/' + repository.identifier))
                    repository.mount_path = (below(2) == 0 ? "/workspace/" : "/opt/") + repository.identifier;
                if (repository.role != RepositoryRole::primary) continue;
                if (primary) repository.role = RepositoryRole::context;
                primary = true;
            }
        }
    }

    // The rules between the members of an object: of those that exclude each other one is kept.
    template <class T>
    void settle(T& out) {
        if constexpr (std::is_same_v<T, Repository>)
            if (out.branch) out.revision.reset();
        if constexpr (requires { Model<T>::exclusive; }) {
            static const T defaults{};
            std::vector<std::string_view> given;
            for_each_field<T>([&](const auto& field) {
                const bool is_way =
                    std::find(Model<T>::any_of.begin(), Model<T>::any_of.end(), field.name) != Model<T>::any_of.end();
                if (is_way && out.*field.member != defaults.*field.member) given.push_back(field.name);
            });
            const std::string_view kept =
                given.empty() ? Model<T>::any_of[below(Model<T>::any_of.size())] : given[below(given.size())];
            for_each_field<T>([&](const auto& field) {
                if (field.name == kept) {
                    while (out.*field.member == defaults.*field.member) draw(field, out.*field.member);
                } else if (std::find(Model<T>::any_of.begin(), Model<T>::any_of.end(), field.name) != Model<T>::any_of.end()) {
                    out.*field.member = defaults.*field.member;
                }
            });
        }
    }

    template <class T>
    void shuffle(T& out) {
        for_each_field<T>([&](const auto& field) { shuffle(field, out.*field.member); });
    }
    template <class F, class Value>
    void shuffle(const F& field, Value& out) {
        if constexpr (requires { field.form.ordered; }) {
            if (!field.form.ordered) std::shuffle(out.begin(), out.end(), engine_);
            if constexpr (std::is_same_v<decltype(F::form), Objects>)
                for (auto& object : out) shuffle(object);
        } else if constexpr (std::is_same_v<decltype(F::form), Object>) {
            if constexpr (std::is_same_v<typename detail::Unwrapped<Value>::type, Value>)
                shuffle(out);
            else if (out)
                shuffle(*out);
        }
    }

    std::mt19937_64 engine_;
};

} // namespace sandboxkit::test
