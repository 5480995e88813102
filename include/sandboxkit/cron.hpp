#pragma once
#include <sandboxkit/profile_rules.hpp>
namespace sandboxkit { inline std::optional<FormFault> check_cron(std::string_view) { return {}; } }
