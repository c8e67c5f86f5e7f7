# Writes OUTPUT out of cmake/version.cpp.in, with the commit of the sources: that of git, else of the environment's REVISION. Run by
# each build; a file with the same contents is left alone.
execute_process(COMMAND git -C ${ROOT} rev-parse HEAD OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT revision)
  set(revision "$ENV{REVISION}")
endif()
string(SUBSTRING "${revision}" 0 12 REVISION)
if(NOT REVISION)
  set(REVISION "unknown commit")
endif()
configure_file(${ROOT}/cmake/version.cpp.in ${OUTPUT} @ONLY)
