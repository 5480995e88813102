// SPDX-License-Identifier: Apache-2.0
// How doctest shows a Result: its error's class, code and text.
#pragma once

#include <sandboxkit/error.hpp>

#include <doctest/doctest.h>

#include <string>

template <class T>
struct doctest::StringMaker<boost::system::result<T, sandboxkit::Error>> {
    static doctest::String convert(const boost::system::result<T, sandboxkit::Error>& result) {
        if (result.has_value()) return "a value";
        const auto& e = result.error();
        return (std::string(to_string(e.kind)) + " " + e.code + ": " + e.message + " [" + e.detail + "]").c_str();
    }
};
