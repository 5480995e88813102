// SPDX-License-Identifier: Apache-2.0
// What a case works with: the provider, things that are made for it and removed after it, and ways to say what must hold.
#pragma once

#include "conformance/sandbox.hpp"
#include "conformance/waiting.hpp"

#include <sandboxkit/conformance.hpp>
#include <sandboxkit/provider.hpp>

#include <boost/assert/source_location.hpp>

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sandboxkit::conformance {

inline constexpr const char* run_label = "sandboxkit.conformance";
inline constexpr const char* case_label = "sandboxkit.conformance.case";

// Thrown out of a case that ends early, and caught by the suite alone: so a case reads as the list of what must hold.
struct CaseOver {
    ConformanceVerdict verdict;
    std::string message;
};

// For messages: printable, and not long.
std::string shown(std::string_view text);
std::string shown(const Error& error);

// Of one run of the suite.
struct Run {
    Run(std::shared_ptr<Provider> p, ConformanceOptions o)
        : provider(std::move(p)), options(std::move(o)), waiting(options.patience) {}

    std::shared_ptr<Provider> provider;
    ConformanceOptions options;
    std::string id;
    Capabilities can;
    std::string image; // made of options.image when the first case asks for it
    Waiting waiting;
};

class Bench {
public:
    using Where = boost::source_location;

    Bench(Run& run, std::string case_name);
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    [[nodiscard]] Provider& provider() const { return *run_.provider; }
    [[nodiscard]] const Capabilities& can() const { return run_.can; }
    [[nodiscard]] const ConformanceOptions& options() const { return run_.options; }
    [[nodiscard]] Waiting& waiting() const { return run_.waiting; }

    // The labels of what this case makes, and of what the whole run makes.
    [[nodiscard]] std::map<std::string, std::string> labels() const;
    [[nodiscard]] std::map<std::string, std::string> run_labels() const;
    // An empty directory of this case.
    std::filesystem::path directory(const std::string& name);

    // The image that the caller named, made once.
    std::string image();
    [[nodiscard]] ImageRequest image_request() const;
    // A new token each time.
    CreateRequest request(Egress egress = Egress::none);
    // Created, not started.
    Sandbox create(CreateRequest request);
    Sandbox start(CreateRequest request);
    Sandbox start() { return start(request()); }
    // The next that needs it makes it again.
    void remove_image();
    // Of this case, by its labels.
    std::vector<SandboxInfo> sandboxes();

    template <class T>
    Operation<T> begin(Task<T> task) {
        return run_.waiting.begin(std::move(task));
    }
    template <class T>
    Result<T> finish(Operation<T> operation) {
        return run_.waiting.finish(std::move(operation));
    }
    template <class T>
    Result<T> wait(Task<T> task) {
        return run_.waiting.wait(std::move(task));
    }

    // What must hold; the case goes on, and has failed.
    void check(bool holds, std::string_view expected, std::string_view came = {}, Where where = BOOST_CURRENT_LOCATION);
    // And without which it cannot go on.
    void require(bool holds, std::string_view expected, std::string_view came = {}, Where where = BOOST_CURRENT_LOCATION);
    template <class T>
    T get(std::string_view what, Result<T> result, Where where = BOOST_CURRENT_LOCATION) {
        if (!result) require(false, std::string(what) + " succeeds", shown(result.error()), where);
        if constexpr (!std::is_void_v<T>) return std::move(*result);
    }
    template <class T>
    T get(std::string_view what, Task<T> task, Where where = BOOST_CURRENT_LOCATION) {
        return get(what, wait(std::move(task)), where);
    }
    // It fails, with an error of one of these classes.
    template <class T>
    void refused(std::string_view what, Task<T> task, std::initializer_list<ErrorClass> classes,
                 Where where = BOOST_CURRENT_LOCATION) {
        auto result = wait(std::move(task));
        check_refused(what, result ? nullptr : std::make_unique<Error>(result.error()), classes, where);
    }
    void equal(std::string_view what, std::string_view came, std::string_view expected, Where where = BOOST_CURRENT_LOCATION);
    [[noreturn]] static void skip(std::string why);

    // Removes what the case made, and looks whether it is gone. Not empty: what is wrong with that.
    std::vector<std::string> clear_up();
    [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }

private:
    void check_refused(std::string_view what, std::unique_ptr<Error> error, std::initializer_list<ErrorClass> classes,
                       Where where);

    Run& run_;
    std::string case_;
    int tokens_ = 0;
    std::vector<std::string> made_; // sandboxes that a list may not show
    std::vector<std::string> failures_;
};

} // namespace sandboxkit::conformance
