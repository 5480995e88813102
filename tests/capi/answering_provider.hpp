// SPDX-License-Identifier: Apache-2.0
// A provider as a host application is one: a thread that takes questions from a queue and answers them with JSON. Its sandboxes
// are guest processes.
#pragma once

#include "c_fixture.hpp"

#include "engine/guest_process.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sandboxkit::test {

class AnsweringProvider {
public:
    explicit AnsweringProvider(int threads = 1) {
        for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
    }
    ~AnsweringProvider() { stop(); }
    AnsweringProvider(const AnsweringProvider&) = delete;
    AnsweringProvider& operator=(const AnsweringProvider&) = delete;

    void stop() {
        for (std::size_t i = 0; i < threads_.size(); ++i) REQUIRE(sbk_queue_post(questions.get(), 0) == SBK_OK);
        for (auto& thread : threads_) thread.join();
        threads_.clear();
        CHECK(wrong_ == 0);
    }
    // How often an operation was asked for since the last count.
    std::map<std::string, int> counted() {
        const std::lock_guard lock(mutex_);
        return std::exchange(counts_, {});
    }
    std::size_t sandboxes() {
        const std::lock_guard lock(mutex_);
        return sandboxes_.size();
    }

    Handle<sbk_queue> questions = new_queue();

private:
    struct Sandbox {
        boost::json::object info;
        std::unique_ptr<GuestProcess> guest{};
    };

    void run() {
        for (;;) {
            sbk_event* taken = nullptr;
            if (sbk_queue_next(&taken, questions.get(), -1) != SBK_OK) return;
            const Handle<sbk_event> event(taken);
            if (sbk_event_get_kind(event.get()) == SBK_EVENT_POSTED) return;
            const auto answer = boost::json::serialize(answer_to(boost::json::parse(json_of(event)).as_object()));
            const auto status = sbk_event_respond(event.get(), answer.data(), answer.size());
            if (status != SBK_OK && status != SBK_CONFLICT) ++wrong_; // what asked may have been cancelled
        }
    }
    static boost::json::value error(const char* kind, const char* code) {
        return {{"error", {{"class", kind}, {"code", code}, {"message", "this is how it is"}, {"remedy", "leave it"}}}};
    }
    static bool has_labels(const boost::json::object& info, const boost::json::object& labels) {
        return std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
            const auto* found = info.at("labels").as_object().if_contains(label.key());
            return found && *found == label.value();
        });
    }
    boost::json::value answer_to(const boost::json::object& question) {
        const std::lock_guard lock(mutex_);
        const std::string operation(question.at("operation").as_string());
        ++counts_[operation];
        if (operation == "capabilities")
            return {{"capture", true},     {"stop_and_resume", true}, {"egress_none", true},
                    {"egress_open", true}, {"read_only_paths", true}, {"image_kinds", {"host"}}};
        if (operation == "prepare_image" || operation == "capture") {
            const boost::json::object image{{"id", "image-" + std::to_string(++last_image_)}, {"labels", question.at("labels")}};
            images_[std::string(image.at("id").as_string())] = image;
            if (operation == "prepare_image") return image;
            return {{"image", image}, {"sealed_us", 1}, {"synced_us", 2}};
        }
        if (operation == "inspect_image") {
            const auto found = images_.find(std::string(question.at("image_id").as_string()));
            return found == images_.end() ? error("not_found", "image_not_found") : boost::json::value(found->second);
        }
        if (operation == "list_images") {
            boost::json::array all;
            for (const auto& [id, image] : images_) all.push_back(image);
            return all;
        }
        if (operation == "remove_image") {
            images_.erase(std::string(question.at("image_id").as_string()));
            return nullptr;
        }
        if (operation == "create") {
            const std::string id = "sandbox-" + std::string(question.at("token").as_string());
            auto& sandbox = sandboxes_[id];
            if (sandbox.info.empty())
                sandbox.info = {
                    {"id", id}, {"token", question.at("token")}, {"state", "created"}, {"labels", question.at("labels")}};
            return sandbox.info;
        }
        if (operation == "list") {
            boost::json::array found;
            for (const auto& [id, sandbox] : sandboxes_)
                if (has_labels(sandbox.info, question.at("labels").as_object())) found.push_back(sandbox.info);
            return found;
        }
        const std::string id(question.at("sandbox_id").as_string());
        if (operation == "destroy") {
            sandboxes_.erase(id);
            return nullptr;
        }
        const auto found = sandboxes_.find(id);
        if (found == sandboxes_.end()) return error("not_found", "sandbox_not_found");
        auto& [info, guest] = found->second;
        if (operation == "inspect") return info;
        if (operation == "endpoint") return {{"unix_socket", guest->socket().string()}};
        const bool starts = operation == "start";
        if (!starts)
            guest.reset();
        else if (!guest)
            guest = std::make_unique<GuestProcess>();
        info["state"] = starts ? "running" : "created";
        return nullptr;
    }

    std::mutex mutex_;
    std::map<std::string, int> counts_;
    std::map<std::string, boost::json::object> images_;
    std::map<std::string, Sandbox> sandboxes_;
    int last_image_ = 0;
    std::atomic<int> wrong_ = 0;
    std::vector<std::thread> threads_;
};

} // namespace sandboxkit::test
