// SPDX-License-Identifier: Apache-2.0
// The rules between the image, its features, the scripts that run in it, and the pool that is filled from it.
#pragma once

#include <sandboxkit/check_findings.hpp>
#include <sandboxkit/profile.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::checking {

// "sha256:..." after the '@' of a reference; empty: none.
[[nodiscard]] inline std::string_view digest_in(std::string_view reference) {
    const std::size_t at = reference.rfind('@');
    return at != std::string_view::npos && reference.substr(at + 1).starts_with("sha256:") ? reference.substr(at + 1)
                                                                                           : std::string_view();
}

// A feature without its version: what an order means, and what is the same feature in two versions.
[[nodiscard]] inline std::string_view feature_resource(std::string_view id) {
    if (id.starts_with("directory:") || id.starts_with("https://")) return id;
    id = id.substr(0, id.find('@'));
    const std::size_t colon = id.rfind(':');
    return colon != std::string_view::npos && colon > id.rfind('/') ? id.substr(0, colon) : id;
}

// A directory has no version, and so none in a lock.
[[nodiscard]] inline bool can_be_locked(std::string_view id) {
    return !id.starts_with("directory:");
}

[[nodiscard]] inline bool is_blank(std::string_view script) {
    return script.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

inline void check_image(const Recipe& recipe, Findings& findings) {
    const std::string_view image = recipe.image;
    const bool archive = image.starts_with("archive:"), oci = image.starts_with("oci:");
    const std::string_view named = oci ? digest_in(image) : std::string_view();
    if (recipe.image_digest && !archive && !oci)
        findings.error("/image_digest", "image_has_no_digest", "an image of this kind has no digest to compare with",
                       "leave it out; archives and images of registries have one");
    else if (recipe.image_digest && !named.empty() && named != *recipe.image_digest)
        findings.error("/image_digest", "digest_mismatch", "\"image\" names another digest", "leave one of them out");
    if (!recipe.image_digest && named.empty() && (archive || oci))
        findings.warning("/image_digest", "not_pinned", "whatever this image is at the time of a build is taken",
                         "add \"image_digest\"");
}

// Groups of features of which each depends on each other, by Tarjan's algorithm without recursion: the lock comes from
// outside, and is as deep as it likes.
class FeatureCircles {
public:
    explicit FeatureCircles(const std::vector<std::vector<std::size_t>>& edges)
        : edges_(edges), order_(edges.size(), 0), low_(edges.size(), 0), open_(edges.size(), false) {
        for (std::size_t node = 0; node < edges.size(); ++node)
            if (order_[node] == 0) visit(node);
    }
    // Each a shortest way from its first member back to it, in the order of their first members.
    [[nodiscard]] std::vector<std::vector<std::size_t>> circles() const {
        std::vector<std::vector<std::size_t>> out;
        for (const auto& group : groups_) {
            const std::size_t first = *std::min_element(group.begin(), group.end());
            if (auto way = way_back(first, std::set<std::size_t>(group.begin(), group.end())); !way.empty())
                out.push_back(std::move(way));
        }
        std::sort(out.begin(), out.end());
        return out;
    }

private:
    void visit(std::size_t root) {
        std::vector<std::pair<std::size_t, std::size_t>> way; // node, and the next of its edges
        const auto enter = [&](std::size_t node) {
            order_[node] = low_[node] = ++count_;
            stack_.push_back(node);
            open_[node] = true;
            way.emplace_back(node, 0);
        };
        enter(root);
        while (!way.empty()) {
            const std::size_t node = way.back().first;
            if (way.back().second < edges_[node].size()) {
                const std::size_t next = edges_[node][way.back().second++];
                if (order_[next] == 0)
                    enter(next);
                else if (open_[next])
                    low_[node] = std::min(low_[node], order_[next]);
                continue;
            }
            way.pop_back();
            if (!way.empty()) low_[way.back().first] = std::min(low_[way.back().first], low_[node]);
            if (low_[node] != order_[node]) continue;
            auto& group = groups_.emplace_back();
            for (std::size_t member = stack_.size(); group.empty() || group.back() != node;) {
                member = stack_.back();
                stack_.pop_back();
                open_[member] = false;
                group.push_back(member);
            }
        }
    }
    [[nodiscard]] std::vector<std::size_t> way_back(std::size_t first, const std::set<std::size_t>& group) const {
        std::map<std::size_t, std::size_t> from;
        std::deque<std::size_t> next{first};
        while (!next.empty()) {
            const std::size_t node = next.front();
            next.pop_front();
            for (const std::size_t to : edges_[node]) {
                if (!group.contains(to)) continue;
                if (to == first) {
                    std::vector<std::size_t> way{first};
                    for (std::size_t at = node; at != first; at = from.at(at)) way.insert(way.begin() + 1, at);
                    return way;
                }
                if (from.emplace(to, node).second) next.push_back(to);
            }
        }
        return {};
    }

    const std::vector<std::vector<std::size_t>>& edges_;
    std::vector<std::size_t> order_, low_;
    std::vector<bool> open_;
    std::vector<std::size_t> stack_;
    std::vector<std::vector<std::size_t>> groups_;
    std::size_t count_ = 0;
};

inline void check_feature_lock(const Recipe& recipe, Findings& findings) {
    const auto& lock = recipe.feature_lock;
    if (lock.empty()) {
        for (const Feature& feature : recipe.features)
            if (can_be_locked(feature.id) && digest_in(feature.id).empty()) {
                findings.warning("/feature_lock", "not_pinned", "each build installs the features as they are then",
                                 "add \"feature_lock\"");
                break;
            }
        return;
    }
    std::map<std::string_view, std::size_t> entries;
    for (std::size_t i = 0; i < lock.size(); ++i) entries.emplace(lock[i].id, i);
    const auto unlocked = [&](std::string pointer, const std::string& id) {
        findings.error(std::move(pointer), "feature_not_locked", "\"feature_lock\" has no entry for " + id,
                       "make the lock anew, or leave it out");
    };

    std::vector<bool> needed(lock.size(), false);
    std::vector<std::size_t> found;
    const auto need = [&](std::size_t entry) {
        if (!needed[entry]) found.push_back(entry);
        needed[entry] = true;
    };
    for (std::size_t i = 0; i < recipe.features.size(); ++i) {
        const std::string& id = recipe.features[i].id;
        if (const auto entry = entries.find(id); entry != entries.end())
            need(entry->second);
        else if (can_be_locked(id))
            unlocked(member_of("/features", i, "id"), id);
        else
            // What a directory depends on is not known before it is read: any entry may be for that.
            for (std::size_t k = 0; k < lock.size(); ++k) need(k);
    }
    std::vector<std::vector<std::size_t>> edges(lock.size());
    for (std::size_t i = 0; i < lock.size(); ++i) {
        const FeatureLock& entry = lock[i];
        for (std::size_t k = 0; k < entry.depends_on.size(); ++k) {
            if (const auto other = entries.find(entry.depends_on[k]); other != entries.end())
                edges[i].push_back(other->second);
            else if (can_be_locked(entry.depends_on[k]))
                unlocked(element(member_of("/feature_lock", i, "depends_on"), k), entry.depends_on[k]);
        }
        for (const std::string_view digest : {digest_in(entry.resolved), digest_in(entry.id)})
            if (!digest.empty() && digest != entry.integrity) {
                findings.error(member_of("/feature_lock", i, "integrity"), "digest_mismatch",
                               "\"" + std::string(digest == digest_in(entry.resolved) ? "resolved" : "id") +
                                   "\" of this entry names another digest",
                               "make the lock anew");
                break;
            }
    }
    while (!found.empty()) {
        const std::size_t entry = found.back();
        found.pop_back();
        for (const std::size_t other : edges[entry]) need(other);
    }
    for (std::size_t i = 0; i < lock.size(); ++i)
        if (!needed[i])
            findings.no_effect(element("/feature_lock", i), "no listed feature needs this entry", "make the lock anew");
    for (const auto& circle : FeatureCircles(edges).circles()) {
        std::string names;
        // Of a long one its beginning is enough to find it.
        constexpr std::size_t shown = 8;
        for (std::size_t i = 0; i < std::min(circle.size(), shown); ++i) names += lock[circle[i]].id + " -> ";
        if (circle.size() > shown) names += "... -> ";
        findings.error(member_of("/feature_lock", circle.front(), "depends_on"), "feature_cycle",
                       "features depend on each other in a circle: " + names + lock[circle.front()].id,
                       "use versions of these features that do not");
    }
}

inline void check_feature_order(const Recipe& recipe, Findings& findings) {
    std::set<std::string_view> known;
    for (const Feature& feature : recipe.features) known.insert(feature_resource(feature.id));
    for (const FeatureLock& entry : recipe.feature_lock) known.insert(feature_resource(entry.id));
    std::map<std::string_view, std::size_t> seen;
    for (std::size_t i = 0; i < recipe.feature_order.size(); ++i) {
        const std::string_view resource = feature_resource(recipe.feature_order[i]);
        if (const auto [first, fresh] = seen.emplace(resource, i); !fresh)
            findings.error(element("/feature_order", i), "feature_order_twice",
                           "this feature is already at " + element("/feature_order", first->second) +
                               "; versions make no difference",
                           "say it once");
        else if (!known.contains(resource))
            findings.error(element("/feature_order", i), "feature_not_listed",
                           "neither \"features\" nor \"feature_lock\" has this feature, in any version",
                           "add it to \"features\", or leave it out");
    }
}

inline void check_scripts(const Profile& profile, Findings& findings) {
    const Recipe& recipe = profile.recipe;
    static const Recipe defaults{};
    if (recipe.setup_timeout_seconds != defaults.setup_timeout_seconds && recipe.setup_script.empty())
        findings.no_effect("/setup_timeout", "there is no setup script", "add \"setup_script\", or leave it out");
    if (!recipe.hooks.prewarm.empty() && !profile.record.warm_pool.enabled)
        findings.no_effect("/hooks/prewarm", "the warm pool is not enabled", "enable \"warm_pool\", or leave them out");
    if (!profile.record.maintenance_script.empty() && !profile.record.refresh.enabled)
        findings.no_effect("/maintenance_script", "the refresh is not enabled", "enable \"refresh\", or leave it out");
    const auto blank = [&](const auto& scripts, std::string_view list) {
        for (std::size_t i = 0; i < scripts.size(); ++i)
            if (is_blank(scripts[i].script))
                findings.no_effect(member_of(list, i, "script"), "the script is empty", "write it, or leave it out");
    };
    blank(recipe.hooks.build, "/hooks/build");
    blank(recipe.hooks.runtime, "/hooks/runtime");
    blank(recipe.hooks.prewarm, "/hooks/prewarm");
    blank(recipe.probes, "/probes");
}

inline void check_warm_pool(const WarmPool& pool, Findings& findings) {
    if (!pool.enabled) return;
    if (pool.strategy == WarmPoolStrategy::fixed && pool.floor == 0)
        findings.no_effect("/warm_pool/enabled", "a fixed pool keeps as many as its floor, and that is none",
                           "raise \"floor\", or choose the strategy \"demand\"");
    if (pool.strategy == WarmPoolStrategy::demand && pool.floor == pool.ceiling)
        findings.no_effect("/warm_pool/strategy", "floor and ceiling are the same, which leaves nothing to choose",
                           "raise \"ceiling\", or leave it out");
}

} // namespace sandboxkit::checking
