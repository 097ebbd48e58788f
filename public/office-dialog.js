// After office.js: restores the history, and opens the sign-in as an Office dialog where the page runs in Outlook.
// The dialog's message goes on as a message of this window, so that the page listens in one place only.
(function () {
  "use strict";
  if (window.tandemHistory) {
    window.tandemHistory();
  }
  if (!window.Office || !window.Office.onReady) {
    return;
  }
  window.Office.onReady(function (info) {
    if (window.tandemHistory) {
      window.tandemHistory();
    }
    var ui = window.Office.context && window.Office.context.ui;
    if (!info || !info.host || !ui || !ui.displayDialogAsync) {
      return;
    }
    // Which mailbox is shown, and where it lives; the second from requirement set 1.6 on.
    window.tandemOutlook = function () {
      var profile = window.Office.context.mailbox && window.Office.context.mailbox.userProfile;
      return {
        address: (profile && profile.emailAddress) || "",
        accountType: (profile && profile.accountType) || "",
      };
    };
    window.dispatchEvent(new Event("tandem-outlook"));
    window.tandemOfficeDialog = function (path) {
      var url = new URL(path, window.location.origin).href;
      ui.displayDialogAsync(url, { height: 70, width: 40, promptBeforeOpen: false }, function (result) {
        if (result.status !== window.Office.AsyncResultStatus.Succeeded) {
          // Blocked, or one is open already: a plain window is the second best.
          window.open(url, "tandem-sign-in", "popup,width=520,height=720");
          return;
        }
        var dialog = result.value;
        dialog.addEventHandler(window.Office.EventType.DialogMessageReceived, function (event) {
          if (event.origin && event.origin !== window.location.origin) {
            return;
          }
          var message;
          try {
            message = JSON.parse(event.message);
          } catch {
            return;
          }
          if (message && message.tandem === "handover" && typeof message.code === "string") {
            window.postMessage(
              { tandem: "handover", what: String(message.what || ""), code: message.code },
              window.location.origin,
            );
            dialog.close();
          }
        });
      });
      return true;
    };
  });
})();
