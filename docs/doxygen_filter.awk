# awk -f doxygen_filter.awk <file>
#
# What Doxygen is given in place of a header, whose plain comments it would not read, or of a page.

# --- Headers ---
# Comments become documentation comments: of what follows them, or, where nothing does, of the file.
# Indented lines, which are formulas and tables, are kept as they stand: Doxygen asks for a blank
# line in front of them, and for four spaces. It also asks for a blank line behind a list.
function comment(indent, text) {
  if (text ~ /^ *[-*] /) {
    kind = "list"
  } else if (text !~ /^  /) {
    if (kind == "list" && text != "") block = block indent "///\n"
    kind = "text"
  } else if (kind != "list") {
    if (kind != "code") block = block indent "///\n"
    kind = "code"
  }
  block = block indent "/// " (kind == "code" ? "    " text : plain(text)) "\n"
}

function plain(text) {
  gsub(/[\\@#<>*_|~]/, "\\\\&", text)  # what would mean something to Doxygen
  return text
}

# --- Pages ---
# Headings get the names that links use, which are GitHub's. Doxygen finds headers by itself, and
# takes no code in the text of a link.
function name_of(heading) {
  heading = tolower(heading)
  gsub(/[^a-z0-9 -]/, "", heading)
  gsub(/ /, "-", heading)
  return heading
}

function text_of_page() {
  if (/^##+ /) {
    heading = $0
    sub(/^#+ /, "", heading)
    $0 = $0 " {#" name_of(heading) "}"
  }
  while (match($0, /\[[a-z_]+\.h\]\([a-z_\/]+\.h\)/)) {
    header = substr($0, RSTART + 1, index(substr($0, RSTART), "]") - 2)
    $0 = substr($0, 1, RSTART - 1) header substr($0, RSTART + RLENGTH)
  }
  if (/\]\(#/) gsub(/`/, "")
}

FILENAME ~ /\.md$/ {
  if (/^```/) in_code = !in_code
  if (!in_code) text_of_page()
  print
  next
}

/^ *\/\/( |$)/ {
  position = index($0, "//")
  comment(substr($0, 1, position - 1), substr($0, position + 3))
  next
}

block != "" {
  if (/^(#ifndef.*)?$/ && block !~ /^ /) {
    print "/// \\file"
    if (has_brief++) print "/// \\details"
  }
  printf "%s", block
  block = kind = ""
}

# A comment behind a declaration.
/[^ ]  \/\/ / && !/^[#}]/ {
  position = index($0, "  // ")
  print substr($0, 1, position + 1) "///< " plain(substr($0, position + 5))
  next
}

{ print }
