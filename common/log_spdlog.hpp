// Sets spdlog up for a program: standard error, in the project's two formats. Mains include this,
// and what they call through it; libraries return errors and do not log.
#pragma once

#include <spdlog/common.h>

#include <string_view>

#include "common/log.hpp"

namespace egress {

spdlog::level::level_enum native_level(LogLevel level);

// Replaces spdlog's default logger. A standard error that is closed or full loses lines; it never
// blocks the program.
void set_up_log(const LogOptions& options, std::string_view program);

// A Log into it.
void write_log(LogLevel level, std::string_view message);

}  // namespace egress
