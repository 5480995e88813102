// SPDX-License-Identifier: Apache-2.0
// The rules that know a credential by its form, wherever it stands. From the formats that the providers publish.
#pragma once

#include <sandboxkit/secrets.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace sandboxkit::secrets {

enum class Judged : unsigned char {
    form,     // the form is enough, but for placeholders of that form
    entropy,  // and it must look random: the form alone is met by words
    password, // whatever is no reference and no placeholder
    named,    // like the value of an assignment
    url_user, // the like, before the host of a URL
    block,    // the form is on several lines, which begin with the one that is hinted at
};

struct FormRule {
    SecretRule about;
    // What a line has in it when the pattern matches there, and few other lines have. All hints make one automaton that reads
    // everything, so that they have few states: no count beyond a few, nothing optional at the end.
    const char* hint;
    const char* pattern; // RE2; the first group is the credential
    Judged judged = Judged::form;
};

// In the order in which they are tried on a line.
[[nodiscard]] std::span<const FormRule> form_rules();

} // namespace sandboxkit::secrets
