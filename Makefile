# make [static]        ./sockcat; ./sockcat-static, with musl where it can
# make check           the tests; TESTS=tests/stream.bats: those only
# make lint bench fuzz what the checkers say; how fast it is; odd input
# make install         into DESTDIR and PREFIX
# V=1 shows the commands, WERROR=1 makes warnings errors, SAN=1 builds with
# ASan and UBSan, PORTABLE=1 without what only Linux has. Each variant has its
# directory under build/; ./sockcat is the one that was asked for last.
PREFIX ?= /usr/local
CFLAGS ?= $(if $(filter static,$(VARIANT)),-Os,-O2 -g)
VARIANT := $(if $(SAN),san,release)$(if $(PORTABLE),-portable)
PROGRAM := sockcat
B := build/$(VARIANT)
Q := $(if $(V),,@)

try = $(shell $(CC) -Werror $(1) -c -xc /dev/null -o /dev/null 2>&1 || echo no)
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 $(foreach flag, \
	-fstack-protector-strong -fstack-clash-protection -fcf-protection, \
	$(if $(call try,$(flag)),,$(flag)))
ifeq ($(VARIANT),static)
PROGRAM := sockcat-static
CC := $(or $(shell command -v musl-gcc),$(CC))
KIND := -fno-pie -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables $(HARDEN)
# fewer pages: what there is to start is what there is to map
LINK := -static -no-pie -s -Wl,-z,noseparate-code -Wl,--gc-sections \
	-Wl,--build-id=none
else ifdef SAN
KIND := -fsanitize=address,undefined -fno-sanitize-recover=all
LINK := $(KIND)
else
KIND := -fPIE $(HARDEN)
LINK := -pie -Wl,--as-needed -Wl,-z,relro,-z,now -Wl,--hash-style=gnu
endif
COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -Isrc -pthread -MMD -MP -Wall -Wextra \
	-Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wformat=2 -Wundef -Wcast-qual \
	$(if $(WERROR),-Werror) $(if $(PORTABLE),-DSOCKCAT_PORTABLE) \
	$(KIND) $(CPPFLAGS) $(CFLAGS)
EXTRA := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/completion/*.c))
OBJECTS := $(filter-out $(EXTRA),$(patsubst src/%.c,$(B)/%.o,$(wildcard src/*/*.c)))
COMPLETIONS := $(if $(EXTRA),$(addprefix build/completion/,bash zsh fish))
SCRIPTS = .ci/run $(wildcard tests/run tests/layers tests/fuzz/run tests/*.bash tests/*.bats)

all: $(PROGRAM) $(COMPLETIONS)

$(PROGRAM): $(B)/sockcat FORCE
	$(Q)cmp -s $< $@ || { rm -f $@ && cp $< $@; }
$(B)/sockcat: $(OBJECTS)
$(B)/completions: $(EXTRA) $(filter-out %/main.o,$(OBJECTS))
$(B)/sockcat $(B)/completions:
	@echo "  LINK $@"
	$(Q)$(CC) $(CFLAGS) -pthread -o $@ $^ $(LINK) $(LDFLAGS)
$(B)/%.o: src/%.c $(B)/flags
	@mkdir -p $(@D) && echo "  CC   $@"
	$(Q)$(COMPILE) -c -o $@ $<
$(B)/flags: FORCE	# as old as the flags are, so that new ones rebuild
	@mkdir -p $(@D); echo '$(COMPILE) $(LDFLAGS)' >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(COMPLETIONS): build/completion/%: $(B)/completions
	@mkdir -p $(@D)
	$(Q)$< $* >$@

static:
	$(Q)$(MAKE) --no-print-directory VARIANT=static sockcat-static
check: all
	$(Q)SOCKCAT=$${SOCKCAT:-./sockcat} tests/run $(TESTS)
bench fuzz: all
	$(Q)tests/$@/run
lint:
	$(Q)lint() { command -v $$1 >/dev/null || { echo "  LINT $$1: \
	not installed, skipped"; return; }; echo "  LINT $$1"; "$$@"; }; s=0; \
	lint cppcheck -q --std=c11 --enable=warning,performance,portability \
		--inline-suppr --error-exitcode=1 -D_GNU_SOURCE \
		'-D_Noreturn=__attribute__((noreturn))' src || s=1; \
	for file in $(wildcard src/*/*.c); do \
		lint clang-tidy --quiet $$file -- -std=c11 -D_GNU_SOURCE -Isrc \
			2>/dev/null || s=1; done; \
	lint shellcheck -x -e SC2016,SC2154 $(SCRIPTS) || s=1; \
	lint mandoc -Tlint -Wwarning man/sockcat.1 || s=1; \
	lint tests/layers || s=1; exit $$s

# FILE:PLACE under PREFIX
INSTALLED = sockcat:bin/sockcat man/sockcat.1:share/man/man1/sockcat.1 $(join \
	$(COMPLETIONS),$(if $(EXTRA),:share/bash-completion/completions/sockcat \
	:share/zsh/site-functions/_sockcat \
	:share/fish/vendor_completions.d/sockcat.fish))
install: all
	$(Q)set -e; for pair in $(INSTALLED); do to="$(DESTDIR)$(PREFIX)/$${pair#*:}"; \
	mode=644; test $${pair%%:*} != sockcat || mode=755; echo "  INST $$to"; \
	mkdir -p "$${to%/*}"; install -m $$mode $${pair%%:*} "$$to"; done
uninstall:
	$(Q)for pair in $(INSTALLED); do rm -f "$(DESTDIR)$(PREFIX)/$${pair#*:}"; done
clean:
	rm -rf build sockcat sockcat-static

FORCE:
.PHONY: all check lint bench fuzz static install uninstall clean FORCE
-include $(OBJECTS:.o=.d) $(EXTRA:.o=.d)
