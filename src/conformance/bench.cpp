// SPDX-License-Identifier: Apache-2.0
#include "conformance/bench.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace sandboxkit::conformance {

std::string shown(std::string_view text) {
    constexpr std::size_t most = 600;
    constexpr const char* digits = "0123456789abcdef";
    std::string result = "\"";
    for (const char c : text.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n')
            result += "\\n";
        else if (byte < 0x20 || byte > 0x7e)
            result += std::string("\\x") + digits[byte >> 4] + digits[byte & 15];
        else
            result += c;
    }
    return result + (text.size() > most ? "\"..." : "\"");
}

std::string shown(const Error& error) {
    std::string text = std::string(to_string(error.kind)) + " " + error.code + ": " + error.message;
    if (!error.detail.empty()) text += " " + shown(error.detail);
    return text;
}

Bench::Bench(Run& run, std::string case_name) : run_(run), case_(std::move(case_name)) {}

std::map<std::string, std::string> Bench::run_labels() const {
    return {{run_label, run_.id}};
}

std::map<std::string, std::string> Bench::labels() const {
    return {{run_label, run_.id}, {case_label, case_}};
}

std::filesystem::path Bench::directory(const std::string& name) {
    auto path = run_.options.scratch / name;
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (!std::filesystem::create_directories(path, error))
        skip("the scratch directory " + run_.options.scratch.string() + " cannot be written to: " + error.message());
    return path;
}

void Bench::remove_image() {
    if (run_.image.empty()) return;
    get("removing the base image", provider().remove_image(std::exchange(run_.image, {})));
}

ImageRequest Bench::image_request() const {
    ImageRequest request;
    request.image = run_.options.image;
    request.labels = labels();
    return request;
}

std::string Bench::image() {
    if (run_.image.empty()) {
        auto request = image_request();
        request.labels = run_labels();
        run_.image = get("preparing the base image", provider().prepare_image(std::move(request))).id;
    }
    return run_.image;
}

CreateRequest Bench::request(Egress egress) {
    CreateRequest request;
    request.token = "conformance-" + run_.id + "-" + case_ + "-" + std::to_string(++tokens_);
    request.image_id = image();
    request.labels = labels();
    request.limits = {2, 512ULL << 20, 256, {}};
    // Where there is none of the policy that is left open, the other does for cases that are not about it.
    request.egress = egress == Egress::none && !can().egress_none ? Egress::open : egress;
    request.hostname = "conformance";
    return request;
}

Sandbox Bench::create(CreateRequest request) {
    auto info = get("creating a sandbox", provider().create(std::move(request)));
    made_.push_back(info.id);
    return Sandbox(*this, info.id);
}

Sandbox Bench::start(CreateRequest request) {
    auto sandbox = create(std::move(request));
    sandbox.start();
    return sandbox;
}

std::vector<SandboxInfo> Bench::sandboxes() {
    return get("listing sandboxes", provider().list(labels()));
}

void Bench::check(bool holds, std::string_view expected, std::string_view came, Where where) {
    if (holds) return;
    std::string file = where.file_name();
    file = file.substr(file.find_last_of('/') + 1);
    std::string text = "expected: " + std::string(expected);
    if (!came.empty()) text += "; came: " + std::string(came);
    failures_.push_back(text + " (" + file + ":" + std::to_string(where.line()) + ")");
}

void Bench::require(bool holds, std::string_view expected, std::string_view came, Where where) {
    if (holds) return;
    check(false, expected, came, where);
    throw CaseOver{ConformanceVerdict::failed, {}};
}

void Bench::check_refused(std::string_view what, std::unique_ptr<Error> error, std::initializer_list<ErrorClass> classes,
                          Where where) {
    std::string wanted;
    for (const auto each : classes) wanted += (wanted.empty() ? "" : " or ") + std::string(to_string(each));
    const bool right = error && std::ranges::find(classes, error->kind) != classes.end();
    check(right, std::string(what) + " fails as " + wanted, error ? shown(*error) : "success", where);
    if (error)
        check(!error->code.empty() && !error->message.empty(), std::string(what) + " fails with a code and a message", {}, where);
}

void Bench::equal(std::string_view what, std::string_view came, std::string_view expected, Where where) {
    check(came == expected, std::string(what) + " is " + shown(expected), shown(came), where);
}

void Bench::skip(std::string why) {
    throw CaseOver{ConformanceVerdict::skipped, std::move(why)};
}

std::vector<std::string> Bench::clear_up() {
    run_.waiting.settle();
    std::vector<std::string> wrong;
    const auto note = [&](const std::string& what, const Error& error) { wrong.push_back(what + ": " + shown(error)); };

    std::set<std::string> ids(made_.begin(), made_.end());
    if (auto listed = wait(provider().list(labels())))
        for (const auto& each : *listed) ids.insert(each.id);
    else
        note("listing sandboxes to remove them", listed.error());
    for (const auto& id : ids)
        if (auto destroyed = wait(provider().destroy(id)); !destroyed) note("destroying a sandbox", destroyed.error());

    // A provider may want those first that were made of others: as long as it takes any.
    for (bool removed = true; removed;) {
        removed = false;
        std::vector<std::string> refused;
        auto images = wait(provider().list_images());
        if (!images) note("listing images to remove them", images.error());
        if (!images) break;
        for (const auto& each : *images) {
            if (!each.labels.contains(run_label) || each.labels.at(run_label) != run_.id) continue;
            if (!each.labels.contains(case_label) || each.labels.at(case_label) != case_) continue;
            auto gone = wait(provider().remove_image(each.id));
            removed = removed || gone.has_value();
            if (!gone) refused.push_back("removing an image: " + shown(gone.error()));
        }
        if (!removed) std::ranges::move(refused, std::back_inserter(wrong));
    }

    if (can().volumes) {
        auto volumes = wait(provider().list_volumes(labels()));
        if (!volumes) note("listing volumes to remove them", volumes.error());
        if (volumes)
            for (const auto& each : *volumes)
                if (auto removed = wait(provider().remove_volume(each.id)); !removed) note("removing a volume", removed.error());
    }

    for (const auto& id : ids) {
        auto still = wait(provider().inspect(id));
        if (still)
            wrong.push_back("a sandbox that was destroyed is still there: " + shown(id));
        else if (still.error().kind != ErrorClass::not_found)
            note("inspecting a sandbox that was destroyed", still.error());
    }
    std::error_code ignored;
    for (std::filesystem::directory_iterator each(run_.options.scratch, ignored), end; !ignored && each != end;
         each.increment(ignored)) {
        std::error_code error;
        std::filesystem::remove_all(each->path(), error);
        if (error) wrong.push_back("the scratch directory cannot be emptied: " + error.message());
    }
    return wrong;
}

} // namespace sandboxkit::conformance
