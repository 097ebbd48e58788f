// The end of the sign-in: hands the one-time code to the pane, and closes the window. Where no message arrives, it
// shows the code to type, which stands in the page already.
(function () {
  "use strict";
  var meta = document.querySelector('meta[name="tandem-code"]');
  var code = meta && meta.content;
  if (!code) {
    return;
  }
  var meant = document.querySelector('meta[name="tandem-for"]');
  var what = meant ? meant.content : "";
  var origin = window.location.origin;
  var arrived = false;

  function showTyped() {
    var typed = document.getElementById("typed");
    if (typed && !arrived) {
      typed.hidden = false;
    }
  }

  window.addEventListener("message", function (event) {
    if (event.origin === origin && event.data && event.data.tandem === "received") {
      arrived = true;
      window.close();
    }
  });

  function tellOpener() {
    if (!window.opener) {
      showTyped();
      return;
    }
    // The browser delivers it only if the pane is of our own origin.
    window.opener.postMessage({ tandem: "handover", what: what, code: code }, origin);
    window.setTimeout(showTyped, 2000);
  }

  function tellOffice() {
    var ui = window.Office.context && window.Office.context.ui;
    if (!ui || !ui.messageParent) {
      return false;
    }
    try {
      // Outlook closes the dialog when the pane has read it.
      ui.messageParent(JSON.stringify({ tandem: "handover", what: what, code: code }));
    } catch {
      return false;
    }
    window.setTimeout(showTyped, 3000);
    return true;
  }

  if (window.Office && window.Office.onReady) {
    window.Office.onReady(function (info) {
      if (!info || !info.host || !tellOffice()) {
        tellOpener();
      }
    });
  } else {
    tellOpener();
  }
})();
